// The overview of many sessions: rows sorted and filtered.

export function mountOverview(root) {
  const table = root.querySelector("table");
  if (!table) return;
  const body = table.tBodies[0];
  const status = root.querySelector("[role=status]");
  const only = root.querySelector("[name=unrepaired]");
  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);

  function sort(head, button) {
    const column = head.cellIndex;
    const numeric = head.dataset.sort === "number";
    // Counts are wanted highest first, names in their order; a second press turns it round.
    const first = numeric ? "descending" : "ascending";
    const second = numeric ? "ascending" : "descending";
    const order = head.getAttribute("aria-sort") === first ? second : first;
    const value = (row) => row.cells[column].dataset.value;
    const sign = order === "ascending" ? 1 : -1;
    const sorted = [...body.rows].sort((a, b) =>
      sign * (numeric ? value(a) - value(b) : value(a).localeCompare(value(b), undefined, { numeric: true })),
    );
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", order);
    body.append(...sorted);
    status.textContent = fill(root.dataset.sorted, { column: button.textContent });
  }

  for (const head of table.querySelectorAll("th[data-sort]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(head, button));
    head.append(button);
  }
  only.closest("label").hidden = false;
  only.addEventListener("change", () => {
    let shown = 0;
    for (const row of body.rows) {
      row.hidden = only.checked && row.dataset.unrepaired === "0";
      if (!row.hidden) shown += 1;
    }
    status.textContent = fill(root.dataset.shown, { shown, count: body.rows.length });
  });
}

mountOverview(document.querySelector(".overview"));
