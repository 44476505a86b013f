#!/usr/bin/env bash
# Puts NVRTC, the CUDA run-time compiler, into build/nvrtc where none is installed: fetches Debian's package
# libnvrtc11.2 (17 MB, component non-free) without touching the system's sources or packages.
set -euo pipefail
cd "$(dirname "$0")/.."
into=build/nvrtc
for have in "$into"/libnvrtc.so.*; do
  [ -e "$have" ] && { echo "NVRTC is there: $have"; exit 0; }
done

for folder in ${CUDA_PATH:+"$CUDA_PATH/lib64"} /usr/local/cuda/lib64 /usr/lib/x86_64-linux-gnu; do
  for version in 13 12 11.2; do
    if [ -e "$folder/libnvrtc.so.$version" ]; then
      echo "NVRTC is installed: $folder/libnvrtc.so.$version"
      exit 0
    fi
  done
done

give_up() { echo "NVRTC was not fetched: $1. GPU kernels cannot be compiled here; everything else works." >&2; exit 1; }
command -v apt-get >/dev/null && command -v dpkg >/dev/null || give_up "no apt on this system; install the CUDA toolkit instead"
sources=/etc/apt/sources.list.d/debian.sources
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/sources" "$work/lists/partial" "$work/cache/archives/partial"
if [ -f "$sources" ]; then
  sed '/^#/d; s/^Components:.*/Components: main non-free/' "$sources" > "$work/sources/debian.sources"
elif grep -qs '^deb .*debian' /etc/apt/sources.list; then
  sed -n 's/^\(deb .*debian.* \)main.*/\1main non-free/p' /etc/apt/sources.list > "$work/sources/debian.list"
else
  give_up "this is not Debian; install the CUDA toolkit instead"
fi
apt=(apt-get -qq -o "Dir::Etc::sourcelist=/nonexistent" -o "Dir::Etc::sourceparts=$work/sources"
     -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache" -o "APT::Sandbox::User=$(id -un)"
     -o "Acquire::http::Timeout=15" -o "Acquire::https::Timeout=15" -o "Acquire::Retries=1")
"${apt[@]}" update 2>"$work/log" || give_up "$(tail -n 1 "$work/log")"
(cd "$work" && "${apt[@]}" download libnvrtc11.2 libnvrtc-builtins11.8 2>"$work/log") || give_up "$(tail -n 1 "$work/log")"
for package in "$work"/libnvrtc*.deb; do dpkg -x "$package" "$work/package"; done
mkdir -p "$into"
cp -L "$work"/package/usr/lib/*/libnvrtc-builtins.so.11.8 "$work"/package/usr/lib/*/libnvrtc.so.11.2 "$into/"
echo "NVRTC fetched: $into/libnvrtc.so.11.2"
