#!/bin/sh
# Hygiene of the headers under src/. One line for each check:
#
#   [PASS] id: message      [WARN] id: message      [FAIL] id: message
#
# Exit 0 if nothing failed, 1 if something did, 2 if it could not be told.
# Run it from anywhere inside the repository.

set -u
LC_ALL=C
export LC_ALL

root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd) || exit 2
cd "$root" || exit 2

headers=$(find src -type f -name '*.h' 2>/dev/null | sort)
sources=$(find src -type f \( -name '*.mm' -o -name '*.cpp' \) 2>/dev/null | sort)
if [ -z "$headers" ] || [ -z "$sources" ]; then
    echo "check_headers.sh: no headers or no sources under $root/src" >&2
    exit 2
fi
# The lists are split at white space below. Say so instead of checking other files.
for file in $headers $sources; do
    if [ ! -f "$file" ]; then
        echo "check_headers.sh: a file name under src/ contains white space" >&2
        exit 2
    fi
done

failed=0
count() { printf '%s' "$#"; }

# result id BAD MESSAGE: BAD lists the offending files, empty if there are none.
result() {
    if [ -z "$2" ]; then
        echo "[PASS] $1: $3"
    else
        echo "[FAIL] $1: not so:$2 ($3)"
        failed=1
    fi
}

bad=''
for file in $headers; do
    first=$(grep -v '^[[:space:]]*$' "$file" | head -n 1)
    [ "$first" = '#pragma once' ] || bad="$bad $file"
done
result HDR.01 "$bad" "$(count $headers) headers begin with #pragma once"

bad=''
for file in $headers; do
    if grep -q '^[[:space:]]*using namespace' "$file"; then bad="$bad $file"; fi
done
result HDR.02 "$bad" "no header of $(count $headers) opens a namespace for others"

# A source that has a header of its own includes it first: that shows, at every
# compilation, that the header can stand alone.
bad='' own=0
for file in $sources; do
    base=$(basename "${file%.*}").h
    [ -f "$(dirname "$file")/$base" ] || continue
    own=$((own + 1))
    first=$(grep -E '^#(include|import)' "$file" | head -n 1)
    case $first in
    "#include \"$base\"" | "#import \"$base\"") ;;
    *) bad="$bad $file" ;;
    esac
done
result HDR.03 "$bad" "$own sources include their own header first"

bad=''
for file in $headers $sources; do
    dir=$(dirname "$file")
    for name in $(sed -n 's/^#i[a-z]* "\([^"]*\)".*/\1/p' "$file"); do
        [ -f "$dir/$name" ] || bad="$bad $file:$name"
    done
done
result HDR.04 "$bad" "every quoted include names a file of this repository"

# The core must stay free of Metal, so that it can be tested on any machine.
if [ -d src/core ]; then
    if grep -lE '#import|Metal/|Foundation/' src/core/* >/dev/null 2>&1; then
        echo "[FAIL] HDR.05: src/core uses Metal or Foundation"
        failed=1
    else
        echo "[PASS] HDR.05: src/core is plain C++"
    fi
else
    echo "[WARN] HDR.05: there is no src/core"
fi

exit "$failed"
