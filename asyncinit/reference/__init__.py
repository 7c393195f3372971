"""The documentation that is made from the code: parts of the reference pages, the man pages from those pages,
and the JSON Schemas that editors read.

`python -m asyncinit.reference` in a checkout writes all of it. A description is made once, as blocks (`blocks`): what
`keys`, `commands`, `interface` and `cells` say goes into the pages as Markdown (`markdown`), and the pages, with what
people wrote around it, become man pages (`roff`, `manual`). Nothing of this is loaded by a running asyncinit.
"""
