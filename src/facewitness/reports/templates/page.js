document.documentElement.classList.add("js");
for (const control of document.querySelectorAll("[data-layer]")) {
  const layer = document.getElementById(control.dataset.layer);
  control.addEventListener("input", () => {
    layer.style.opacity = control.type === "checkbox" ? Number(control.checked) : control.value / 100;
  });
}
