// What happens in the page itself: the address is the state, so controls only write the address.
window.dash_clientside = window.dash_clientside || {};
(function () {
  var none = function () { return window.dash_clientside.no_update; };
  // Plotly would fetch outlines from elsewhere; the map brings its own countries, so none are needed.
  var nothing = { type: "GeometryCollection", geometries: [] };
  window.PlotlyGeoAssets = { topojson: { world_110m: { type: "Topology", arcs: [], objects: {
    coastlines: nothing, land: nothing, ocean: nothing, lakes: nothing, rivers: nothing, countries: nothing, subunits: nothing } } } };
  function minute(text) { return text.replace(/^(\d{4}-\d\d-\d\d) (\d\d:\d\d):\d\d$/, "$1T$2"); }
  window.dash_clientside.console = {
    customRange: function (clicks, from, to, words, search) {
      var spoken = (words || "").trim().split(/\s+to\s+/);
      if (spoken[0]) { from = spoken[0]; to = spoken[1] || "now"; }
      if (!clicks || !from || !to) { return none(); }
      var query = new URLSearchParams(search || "");
      query.delete("t"); query.delete("after");
      query.set("from", minute(from)); query.set("to", minute(to));
      document.querySelectorAll("details.add[open]").forEach(function (d) { d.open = false; });
      return "?" + query.toString();
    },
    addFilter: function (clicks, name, values, kind, search) {
      if (!clicks || !name || !values || !values.length) { return none(); }
      var query = new URLSearchParams(search || "");
      var written = values.map(function (v) { return v.replace(/,/g, "\\,"); }).join(",");
      var others = query.getAll("f").filter(function (f) { return f.split(":")[0].replace("!", "") !== name; });
      query.delete("f");
      others.concat([(kind || "") + name + ":" + written]).forEach(function (f) { query.append("f", f); });
      document.querySelectorAll("details.add[open]").forEach(function (d) { d.open = false; });
      return "?" + query.toString();
    }
  };
  ["m", "by", "vs", "vf", "arms", "split"].forEach(function (key) {
    window.dash_clientside.console["choose_" + key] = function (value, chosen, search) {
      var query = new URLSearchParams(search || "");
      if (value === null || value === undefined || chosen[key] === String(value)) { return none(); }
      if (value === "") { query.delete(key); } else { query.set(key, value); }
      query.delete("after");
      return "?" + query.toString();
    };
  });
  // Open menus close on Escape and on a click elsewhere; tables follow the colour scheme.
  // Seen on the way down: by the time it bubbles up, a list or a calendar that Escape closes is gone already.
  document.addEventListener("keydown", function (event) {
    if (event.key !== "Escape") { return; }
    var lists = Array.from(document.querySelectorAll("details[open] [role=listbox], details[open] [role=dialog]"));
    if (lists.some(function (list) { return list.offsetParent !== null; })) { return; }
    document.querySelectorAll("details[open]").forEach(function (d) { d.open = false; });
  }, true);
  document.addEventListener("click", function (event) {
    document.querySelectorAll(".top details[open], details.add[open]").forEach(function (d) { if (!d.contains(event.target)) { d.open = false; } });
  });
  // On a narrow screen the pages' names scroll: the one that is shown is in sight.
  new MutationObserver(function () {
    var here = document.querySelector(".top nav a.here"), pages = here && here.parentElement;
    if (!here || pages.dataset.shown === here.textContent) { return; }
    pages.dataset.shown = here.textContent;
    pages.scrollLeft = here.offsetLeft - (pages.clientWidth - here.offsetWidth) / 2;
  }).observe(document, { childList: true, subtree: true });
  // Enter in a table's cell follows the link in it.
  document.addEventListener("keydown", function (event) {
    var link = event.key === "Enter" && event.target.matches && event.target.matches(".ag-cell") && event.target.querySelector("a");
    if (link) { link.click(); }
  });
  // Dragging over a chart of time narrows the range to it, in whole hours, or minutes where it is short. With a mouse
  // only: a finger scrolls the page.
  function instant(text) { return new Date(text.slice(0, 10) + "T" + (text.slice(11) || "00:00") + "Z").getTime(); }
  function aligned(chosen, round, grid) { return new Date(grid * round(instant(chosen) / grid)).toISOString().slice(0, 16); }
  function zoomed(change) {
    var from = change["xaxis.range[0]"], to = change["xaxis.range[1]"];
    if (!from || !to) { return; }
    var query = new URLSearchParams(location.search);
    var grid = instant(to) - instant(from) > 10 * 3600000 ? 3600000 : 60000;
    query.delete("t"); query.set("from", aligned(from, Math.floor, grid)); query.set("to", aligned(to, Math.ceil, grid));
    window.dash_clientside.set_props("_pages_location", { search: "?" + query.toString() });
  }
  document.addEventListener("pointerover", function (event) {
    var chart = event.pointerType === "mouse" && event.target.closest && event.target.closest(".zooms .js-plotly-plot");
    if (!chart || !chart.layout || chart.layout.dragmode === "zoom") { return; }
    if (!chart.zooms) { chart.zooms = true; chart.on("plotly_relayout", zoomed); }
    window.Plotly.relayout(chart, { dragmode: "zoom", "yaxis.fixedrange": true });
  });
  // Any table is saved as CSV; a cell that a spreadsheet would run is quoted with an apostrophe.
  function cell(node) {
    var text = node.innerText.replace(/\s+/g, " ").trim();
    if (/^[=+\-@]/.test(text) && isNaN(Number(text.replace(/[,%\s]/g, "")))) { text = "'" + text; }
    return /[",\n]/.test(text) ? '"' + text.replace(/"/g, '""') + '"' : text;
  }
  function plain(value) {
    var text = value === null || value === undefined ? "" : String(value);
    text = text.replace(/^\[(.*)\]\([^)]*\)$/, "$1").replace(/\\(.)/g, "$1");
    return /^[=+\-@]/.test(text) && isNaN(Number(text.replace(/[,%\s]/g, ""))) ? "'" + text : text;
  }
  document.addEventListener("click", function (event) {
    var saver = event.target.closest && event.target.closest("button[data-grid]");
    if (!saver) { return; }
    var name = saver.getAttribute("data-grid");
    var file = document.getElementById(name).closest("[data-file]").getAttribute("data-file");
    window.dash_ag_grid.getApiAsync(name).then(function (api) { // whoever is quicker than the table gets it all the same
      // Numbers as they were answered, not as they are shown: a spreadsheet goes on calculating. Where a table has
      // columns to be saved, which begin with export_, it is those.
      var made = api.getColumns().filter(function (c) { return c.getColId().indexOf("export_") === 0; });
      api.exportDataAsCsv({
        fileName: file, columnKeys: made.length ? made : undefined, processCellCallback: function (p) { return plain(p.value); }
      });
    });
  });
  document.addEventListener("click", function (event) {
    var button = event.target.closest && event.target.closest("button.csv");
    if (!button) { return; }
    var table = button.parentElement.querySelector("table");
    var lines = Array.prototype.map.call(table.rows, function (row) { return Array.prototype.map.call(row.cells, cell).join(","); });
    var name = (table.caption ? table.caption.innerText : "table").toLowerCase().replace(/[^a-z0-9]+/g, "-");
    var link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([lines.join("\r\n") + "\r\n"], { type: "text/csv" }));
    link.download = "qoescope-" + name + ".csv";
    link.click();
    setTimeout(function () { URL.revokeObjectURL(link.href); }, 1000);
  });
  new MutationObserver(function () {
    var scheme = document.documentElement.getAttribute("data-mantine-color-scheme");
    document.documentElement.setAttribute("data-ag-theme-mode", scheme);
  }).observe(document.documentElement, { attributes: true, attributeFilter: ["data-mantine-color-scheme"] });
})();
