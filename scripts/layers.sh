#!/usr/bin/env bash
# Data flows one way: no module of the library names one that comes after it (ARCHITECTURE.md).
#
#   layers.sh [SRC]   the folder of the library, src when absent
#
# Prints every line that looks back up, and fails when there is one. Comments may name anything.
set -euo pipefail
src=${1:-$(dirname "${BASH_SOURCE[0]}")/../src}

ORDER=(error env memory document prediction text actors encoder heads model predict metrics engine archive config server cli)

for file in "$src"/*; do
  module=$(basename "$file" .rs)
  case " ${ORDER[*]} lib main " in
    *" $module "*) ;;
    *)
      echo "layers: src/$module has no place in the order" >&2
      exit 1
      ;;
  esac
done
wrong=0
later=("${ORDER[@]}")
for module in "${ORDER[@]}"; do
  later=("${later[@]:1}")
  [[ ${#later[@]} -gt 0 ]] || break
  names=$(IFS='|' && echo "${later[*]}")
  hits=$(grep -rsnE --include='*.rs' "crate::($names)\b|crate::\{[^}]*\b($names)\b" \
    "$src/$module" "$src/$module.rs" | grep -vE '^[^:]*:[0-9]+: *//' || true)
  if [[ -n $hits ]]; then
    echo "$hits"
    wrong=1
  fi
done
if [[ $wrong == 1 ]]; then
  echo "layers: the modules above use a later one; the order is: ${ORDER[*]}" >&2
fi
exit "$wrong"
