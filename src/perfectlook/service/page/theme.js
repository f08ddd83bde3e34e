// Set the chosen colour scheme and the shop's colour before the first paint, so that no other one flashes.
{
  const chosen = (() => {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null;
    }
  })();
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  const { accent } = document.documentElement.dataset;
  if (accent) {
    document.documentElement.style.setProperty("--brand", accent);
    document.documentElement.style.setProperty("--bright", `color-mix(in oklab, ${accent} 35%, white)`);
  }
}
