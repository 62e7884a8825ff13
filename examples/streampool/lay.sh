#!/bin/sh
# lay.sh DIR: lay the example down as a git repository at DIR.
#
# The history comes from files/ (the tree of main's head) and changes/*.patch (one
# commit each on top of it). Author, dates and messages are fixed and no
# configuration of the user or the machine is read, so every run, anywhere, makes
# the same commits with the same names.
#
# If DIR holds that history already nothing is touched, whatever else has been added
# to it. If DIR was laid by this script and is damaged or has its branches moved, it
# is set aside as DIR.replaced and laid anew. A folder of anyone else is refused.
# The repository is built beside DIR and renamed: there is never half a DIR.
#
# Exit 0 laid or found, 1 could not, 2 wrong usage.

set -eu

fail() {
    echo "lay.sh: $1" >&2
    exit "${2:-1}"
}

[ $# -eq 1 ] && [ -n "$1" ] || fail 'usage: lay.sh DIR' 2
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
command -v git >/dev/null 2>&1 || fail 'git is not installed'

case $1 in
/*) dir=$1 ;;
*) dir=$(pwd)/$1 ;;
esac
while [ "${dir%/}" != "$dir" ]; do dir=${dir%/}; done
[ -n "$dir" ] || fail 'DIR is the root folder' 2
mkdir -p -- "$(dirname -- "$dir")"
dir=$(CDPATH= cd -- "$(dirname -- "$dir")" && pwd)/$(basename -- "$dir")

# The file inside .git that says who made DIR. Written before anything else.
marker=.git/holdfast-example
if [ -e "$dir" ] || [ -L "$dir" ]; then
    if [ ! -d "$dir" ]; then
        fail "$dir is not a folder"
    elif [ ! -f "$dir/$marker" ] && [ -n "$(ls -A -- "$dir")" ]; then
        fail "$dir is not empty and was not made by this script: choose another folder"
    fi
fi

# A hook that calls us exports GIT_DIR and others, which would redirect every command.
for name in $(env | sed -n 's/^\(GIT_[A-Z0-9_]*\)=.*/\1/p'); do
    unset "$name"
done
tmp=$(mktemp -d "$dir.laying.XXXXXX")
trap 'rm -rf -- "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null HOME=$tmp XDG_CONFIG_HOME=$tmp
GIT_ATTR_NOSYSTEM=1 GIT_DEFAULT_HASH=sha1 GIT_TERMINAL_PROMPT=0
GIT_AUTHOR_NAME='Ada Streampool' GIT_AUTHOR_EMAIL=ada@example.org
GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL
LC_ALL=C TZ=UTC
export GIT_CONFIG_NOSYSTEM GIT_CONFIG_GLOBAL HOME XDG_CONFIG_HOME
export GIT_ATTR_NOSYSTEM GIT_DEFAULT_HASH GIT_TERMINAL_PROMPT LC_ALL TZ
export GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_COMMITTER_NAME GIT_COMMITTER_EMAIL
umask 022

new=$tmp/new
mkdir -p "$new/.git"
: >"$new/$marker"
git -C "$new" init -q --template= 2>/dev/null
git -C "$new" symbolic-ref HEAD refs/heads/main # git before 2.28 has no init -b

# add PATH…: take files or folders of files/ into the tree, without build outputs.
add() {
    for path in "$@"; do
        [ -e "$here/files/$path" ] || fail "files/$path is missing"
        case $path in
        */*) parent=$new/${path%/*} ;;
        *) parent=$new ;;
        esac
        mkdir -p "$parent"
        cp -R "$here/files/$path" "$parent/"
    done
    rm -rf "$new/lean/.lake"
    find "$new" -name .DS_Store -exec rm -f {} +
}

# model MODULE…: take Lean modules into the tree.
model() {
    for module in "$@"; do
        add "lean/StreamPool/$module.lean"
    done
    # The root module imports what is there so far, in the order of its final form.
    while IFS= read -r line; do
        module=${line#import StreamPool.}
        if [ "$module" = "$line" ] || [ -f "$new/lean/StreamPool/$module.lean" ]; then
            printf '%s\n' "$line"
        fi
    done <"$here/files/lean/StreamPool.lean" >"$new/lean/StreamPool.lean"
}

# commit DATE MESSAGE
commit() {
    git -C "$new" add --all --chmod=-x .
    git -C "$new" update-index --chmod=+x scripts/check_headers.sh
    GIT_AUTHOR_DATE="$1T09:00:00+0000" GIT_COMMITTER_DATE="$1T09:00:00+0000" \
        git -C "$new" commit -q --no-verify -m "$2"
}

add .gitignore go.mod src kernels bench scripts holdfast.rules.toml
add lean/lakefile.toml lean/lean-toolchain
model Basic Schedule Overlap Strategies Race GlobalMutex
commit 2026-01-05 'A pool of command streams, with a model of its locks

Sources, kernel, its reference on the processor, structural rules, and the
first theorems: without a lock there is a data race, one mutex prevents it.'

model PerStream PerOperation PerEncoder
commit 2026-01-06 'proofs: what finer mutexes prevent

One for each stream and one for each kind of call leave a race, with the
schedule that shows it. One for each encoder does not.'

model Maximal
commit 2026-01-07 'proofs: the per-encoder mutex is maximal

Every schedule that any safe strategy admits, it admits too.'

model CommandBuffer ThreadSlot Wait
add README.md lean
commit 2026-01-08 'proofs: handlers, thread slots and waits

The three rules of the sources that have nothing to do with encoders.'

# The last tree must be files/ itself, or something in there was never added.
(cd "$here/files" && find . -name .lake -prune -o -name .DS_Store -o -type f -print | sort) >"$tmp/want"
(cd "$new" && find . -name .git -prune -o -type f -print | sort) >"$tmp/got"
cmp -s "$tmp/want" "$tmp/got" ||
    fail "not every file of files/ is in the history: $(diff "$tmp/want" "$tmp/got" | grep '^[<>]' | tr '\n' ' ')"

# change NAME DATE MESSAGE: one commit on top of main, as branch demo/NAME.
change() {
    git -C "$new" checkout -q -b "demo/$1" main
    git -C "$new" apply --index "$here/changes/$1.patch" || fail "changes/$1.patch does not apply"
    commit "$2" "$3"
}

change good-refactor 2026-01-12 'Say things more clearly

Comments and names of bound variables only.'

change broken-proof 2026-01-13 'CommandBuffer: accept handlers at any time

Callers find the present order inconvenient.'

change sorry 2026-01-14 'Maximal: split the proof into smaller lemmas'

change axiom 2026-01-15 'Maximal: shorter proof that safe strategies share mutexes'

change weakened 2026-01-18 'Maximal: the direction that is used'

change rule 2026-01-16 'Stream: notice errors of the GPU earlier'

change slow-kernel 2026-01-17 'relax: more sweeps in one pass, for accuracy'

git -C "$new" checkout -q main
git -C "$new" reset -q --hard # file modes as committed

refs() { git --git-dir="$1/.git" for-each-ref --format='%(objectname) %(refname)' refs/heads; }
refs "$new" >"$tmp/refs"

# Found: every branch of ours is there and all that it needs can be read.
if [ -d "$dir/.git" ] && refs "$dir" >"$tmp/have" 2>/dev/null &&
    [ -z "$(grep -v -x -F -f "$tmp/have" "$tmp/refs")" ] &&
    git --git-dir="$dir/.git" fsck --full --no-dangling --no-progress >/dev/null 2>&1; then
    echo "$dir: the example is there already"
    exit 0
fi

if [ -f "$dir/$marker" ]; then
    rm -rf -- "$dir.replaced"
    mv -- "$dir" "$dir.replaced"
    echo "$dir: not the example any more, set aside as $dir.replaced"
elif [ -d "$dir" ]; then
    rmdir -- "$dir"
fi
mv -- "$new" "$dir"
if [ -d "$dir/new/.git" ]; then
    # Another lay.sh was faster, and mv put ours inside its folder.
    rm -rf -- "$dir/new"
fi
echo "$dir: laid down, main is $(sed -n 's/^\([0-9a-f]\{12\}\).* refs\/heads\/main$/\1/p' "$tmp/refs")"
