// A timeline comes alive. The interface stands in alliance/serve/report/__init__.py.

export function mountTimeline(root, data) {
  const island = root.querySelector(".timeline-data");
  const given = data ?? JSON.parse(island.textContent);
  let purpose = given.chosen;

  function tell(name, detail) {
    root.dispatchEvent(new CustomEvent(name, { bubbles: true, detail }));
  }

  function select(turn) {
    tell("alliance:select", { turn });
  }

  function setPurpose(name) {
    purpose = name;
    tell("alliance:purpose", { purpose });
  }

  return { select, setPurpose, data: given };
}
