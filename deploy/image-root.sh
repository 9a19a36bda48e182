#!/bin/sh
# Collects the files of an image except the bundle: Node, the libraries that Node needs, and two empty directories.
# Usage, in a clone after "npm ci": deploy/image-root.sh [DIRECTORY]
set -eu

target=${1:-dist/image}
node=$(node_modules/.bin/node -p process.execPath)

rm -rf "$target"
install -D -m 0755 "$node" "$target/system/usr/bin/node"
# Debug symbols are a tenth of the image. The image also works with them.
strip "$target/system/usr/bin/node" 2>/dev/null || echo 'strip is not installed: the image will be larger' >&2
ldd "$node" | grep -o '/[^ ]*' | while read -r library; do
  install -D -m 0755 "$library" "$target/system$library"
done
install -d -m 1777 "$target/system/tmp"
# The directories that the service writes to. It owns nothing else.
install -d "$target/writable/etc/tedge" "$target/writable/var/tedge" "$target/writable/run"
