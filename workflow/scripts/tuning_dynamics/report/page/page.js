"use strict";
// The tables of the report: each is made when it is first opened, from the rows next to it.

function rowsOf(table) {
  return Array.from({ length: table.rows }, (_, row) => table.columns.map((column) => column.values[row]));
}

// Text lies in the rows as the number of its level: levels are in order, so that numbers sort it.
function shownAs(column) {
  const escape = DataTable.render.text().display;
  if (column.number) return (value) => value;
  return (value, purpose) => (purpose === "sort" || purpose === "type" ? value : escape(column.levels[value]));
}

function makeTable(details) {
  const element = details.querySelector("table[data-table]");
  const name = element.dataset.table;
  const table = JSON.parse(document.getElementById("rows-" + name).textContent);
  const shown = new DataTable(element, {
    data: rowsOf(table),
    columns: table.columns.map((column) => ({
      title: column.name,
      type: "num",
      className: column.number ? "" : "text",
      render: shownAs(column),
    })),
    order: [],
    autoWidth: false,
    pageLength: 10,
    lengthMenu: [10, 25, 100],
    layout: { topStart: "search", topEnd: "pageLength", bottomStart: "info", bottomEnd: "paging" },
    language: {
      search: "Search in all columns",
      lengthMenu: "Rows on a page _MENU_",
      info: "Rows _START_ to _END_ of _TOTAL_",
      infoEmpty: "No rows",
      infoFiltered: "(of _MAX_ without filters)",
      emptyTable: "This table has no rows.",
      zeroRecords: "No row fits.",
    },
  });
  // What scrolls sideways must be reached by keyboard.
  const frame = element.closest(".dt-layout-cell");
  frame.tabIndex = 0;
  frame.setAttribute("role", "region");
  frame.setAttribute("aria-label", "Rows of table " + name);
  details.querySelector(".dt-paging nav").setAttribute("aria-label", "Pages of table " + name);
  addFilters(details.querySelector(".filters"), table.columns, shown);
}

function addFilters(place, columns, shown) {
  columns.forEach((column, index) => {
    if (!column.choose) return;
    const choice = document.createElement("select");
    choice.append(new Option("all", "*"));
    column.levels.forEach((level, code) => choice.append(new Option(level || "(empty)", code)));
    choice.addEventListener("change", () => {
      const wanted = choice.value === "*" ? null : column.levels[choice.value];
      shown.column(index).search.fixed("choice", wanted === null ? null : (value) => value === wanted);
      shown.draw();
    });
    const label = document.createElement("label");
    label.append(column.name, choice);
    place.append(label);
  });
}

function openTarget() {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  if (target instanceof HTMLDetailsElement) target.open = true;
}

for (const details of document.querySelectorAll("details.table")) {
  details.addEventListener("toggle", () => makeTable(details), { once: true });
}
window.addEventListener("hashchange", openTarget);
openTarget();
