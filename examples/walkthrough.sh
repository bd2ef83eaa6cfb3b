#!/bin/sh
# The whole way offline: data, check, preparation, training, calibration, evaluation, comparison with the embedded
# detector.
#
#   examples/walkthrough.sh                          drawn people in FF++'s layout; minutes on a laptop's CPU
#   examples/walkthrough.sh OUT SPEC [EPOCHS]        your own data, such as manifest:faces (see: facewitness data list)
#
# The data need a validation and a test split, the validation at least ten real videos.
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
# What trained nothing draws the line between REAL and FAKE; what drew it does not measure.
facewitness evaluate --data "prepared:$out/prepared:val" --detector laa_net --weights "$out/run/best.safetensors" \
    --out "$out/val"
mkdir -p "$out/calibrated"
facewitness calibrate --scores "$out/val/scores.parquet" --method platt --fpr 0.1 --record "$out/run/best.json" \
    --output "$out/calibrated/best.json"
facewitness evaluate --data "prepared:$out/prepared:test" --detector laa_net \
    --weights "$out/calibrated/best.safetensors" --operating-point fpr=0.1 --out "$out/tiny"
facewitness evaluate --data "prepared:$out/prepared:test" --out "$out/embedded"
facewitness compare "$out/tiny" "$out/embedded" --out "$out/versus"
echo "The pages: $out/tiny/report.html, $out/embedded/report.html, $out/versus/comparison.html"
