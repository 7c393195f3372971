"""What shells are told so that they complete `asyncinit`: a function each, which asks `cli.completion`; plain text.

The function hands over the words up to the cursor and gets a line for each candidate: the word, a tab, what it is. A
line that begins with ":" asks the shell for what it knows better: files, folders, commands.
"""

from __future__ import annotations

# bash breaks words at "=", "@" and ":" too (as COMP_WORDBREAKS says) and replaces what stands behind the last of these.
# So the words are taken from the line, and of each candidate is cut off what bash keeps; the "@" itself it replaces.
BASH = r"""_asyncinit() {
  local line=${COMP_LINE:0:COMP_POINT} words begun kept="" part mark value rest
  read -ra words <<<"$line"
  if [[ $line == *[[:space:]] ]]; then words+=(""); fi
  begun=${words[${#words[@]} - 1]}
  for mark in = @ :; do
    if [[ $COMP_WORDBREAKS == *"$mark"* && $begun == *"$mark"* ]]; then
      part=${begun%"${begun##*"$mark"}"}
      part=${part%@}
      if [[ ${#part} -gt ${#kept} ]]; then kept=$part; fi
    fi
  done
  COMPREPLY=()
  while IFS=$'\t' read -r value rest; do
    case $value in
      :files) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "${begun#"$kept"}") ;;
      :folders) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "${begun#"$kept"}") ;;
      :commands) mapfile -t COMPREPLY < <(compgen -c -- "$begun") ;;
      *) COMPREPLY+=("${value#"$kept"}") ;;
    esac
  done < <(_ASYNCINIT_COMPLETE=words "${1/#\~/$HOME}" "${words[@]:1}" 2>/dev/null)
  if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]]; then compopt -o nospace; fi
}
complete -F _asyncinit asyncinit
"""

ZSH = r"""#compdef asyncinit
_asyncinit() {
  local line
  local -a found
  for line in "${(@f)$(_ASYNCINIT_COMPLETE=words ${~words[1]} "${(@)words[2,CURRENT-1]}" "$PREFIX" 2>/dev/null)}"; do
    case $line in
      :files) compset -P '*='; _files ;;
      :folders) compset -P '*='; _files -/ ;;
      :commands) _command_names -e ;;
      ?*) found+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}") ;;
    esac
  done
  if (( $#found )); then _describe -V asyncinit found; fi
}
if [[ $funcstack[1] == _asyncinit ]]; then _asyncinit "$@"; else compdef _asyncinit asyncinit; fi
"""

FISH = r"""function __asyncinit_complete
  set -l words (commandline -opc) (commandline -ct)
  for line in (env _ASYNCINIT_COMPLETE=words $words[1] $words[2..-1] 2>/dev/null)
    switch $line
      case :files
        __fish_complete_path (commandline -ct)
      case :folders
        __fish_complete_directories (commandline -ct)
      case :commands
        __fish_complete_command
      case '*'
        echo $line
    end
  end
end
complete -c asyncinit -f -a '(__asyncinit_complete)'
"""

SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}
"""The text for each shell."""
