#!/bin/sh
# The whole way offline: data, check, preparation, training, evaluation, comparison with the embedded detector.
#
#   examples/walkthrough.sh                          drawn people in FF++'s layout; minutes on a laptop's CPU
#   examples/walkthrough.sh OUT SPEC [EPOCHS]        your own data, such as manifest:faces (see: facewitness data list)
#
# The network it trains is a tiny one from scratch. It shows the way; what it reaches says nothing of LAA-Net.
set -eu
out=${1:-walkthrough}
spec=${2:-ffpp:$out/FF++}
epochs=${3:-20}

if [ $# -lt 2 ] && [ ! -d "$out/FF++" ]; then
    facewitness demo-data ffpp "$out/FF++" --times 6
fi
facewitness data check "$spec"
facewitness prepare "$spec" --out "$out/prepared" --frames 8 --steps crops,landmarks,align
facewitness train laa_net --recipe tiny_sbi --data "$out/prepared" --run "$out/run" --epochs "$epochs"
facewitness evaluate --data "prepared:$out/prepared:test" --detector laa_net --weights "$out/run/best.safetensors" \
    --out "$out/tiny"
facewitness evaluate --data "prepared:$out/prepared:test" --out "$out/embedded"
facewitness compare "$out/tiny" "$out/embedded" --out "$out/versus"
echo "The pages: $out/tiny/report.html, $out/embedded/report.html, $out/versus/comparison.html"
