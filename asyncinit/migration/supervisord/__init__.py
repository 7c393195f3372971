"""supervisord.conf to services: programs, groups and FastCGI programs, with included files; talks to no supervisord."""
