# Ends what a supervisor leaves behind when it dies without stopping anything, as by kill -9.
# Its arguments are the groups that live already, each `<group>:<signal>`. It reads `add <group>:<signal>` and
# `remove <group>` on its standard input, whose other end the supervisor holds. When that end closes, it sends each group
# that is left its own signal, waits, and kills what does not go. A shell, because it costs 1 MB for the whole life of the
# mesh.
groups=" $* "
while read -r verb argument; do
  case "$verb" in
    add) groups="$groups$argument " ;;
    remove)
      rest=' '
      for entry in $groups; do
        [ "${entry%%:*}" = "$argument" ] || rest="$rest$entry "
      done
      groups="$rest"
      ;;
  esac
done

for entry in $groups; do
  kill -s "${entry##*:}" -- "-${entry%%:*}" 2>/dev/null
done
tries=50
while [ "$tries" -gt 0 ]; do
  alive=''
  for entry in $groups; do
    kill -s 0 -- "-${entry%%:*}" 2>/dev/null && alive=yes
  done
  [ -n "$alive" ] || exit 0
  sleep 0.1
  tries=$((tries - 1))
done
for entry in $groups; do
  kill -s KILL -- "-${entry%%:*}" 2>/dev/null
done
