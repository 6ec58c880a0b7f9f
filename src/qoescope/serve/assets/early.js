// The colour scheme before the first paint, so that nothing flashes.
(function () {
  var stored = null;
  try { stored = localStorage.getItem("mantine-color-scheme-value"); } catch (e) { stored = null; }
  var dark = stored === "dark" || ((!stored || stored === "auto") && window.matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.setAttribute("data-mantine-color-scheme", dark ? "dark" : "light");
  document.documentElement.setAttribute("data-ag-theme-mode", dark ? "dark" : "light");
})();
