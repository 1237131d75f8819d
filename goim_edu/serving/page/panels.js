// What opens and closes: rooms and people in a narrow window, and the inspector.

import { element } from "./view.js";

const SIDES = [
  { panel: element.rooms, opener: element.openRooms },
  { panel: element.people, opener: element.openPeople },
];
let drawer = null; // the Inspector

const isOpen = ({ panel }) => panel.classList.contains("open");

/** Open one of the side panels of a narrow window, or with null close both. */
function showSide(side) {
  for (const other of SIDES) {
    other.panel.classList.toggle("open", other === side);
    other.opener.setAttribute("aria-expanded", String(other === side));
  }
  element.veil.hidden = side === null;
  side?.panel.focus();
}

export function closePanels() {
  showSide(null);
}

function showInspector(open) {
  drawer.toggle(open);
  element.app.classList.toggle("inspecting", open);
  element.openInspector.setAttribute("aria-expanded", String(open));
  (open ? element.inspector : element.openInspector).focus();
}

/** Escape: close what was opened on top, and go back to what opened it. */
export function closeOne() {
  const side = SIDES.find(isOpen);
  if (side) {
    closePanels();
    side.opener.focus();
  } else if (drawer.open) showInspector(false);
}

/** Let the buttons open and close their panels. */
export function wirePanels(inspector) {
  drawer = inspector;
  for (const side of SIDES) {
    side.opener.addEventListener("click", () => showSide(isOpen(side) ? null : side));
  }
  element.veil.addEventListener("click", closePanels);
  element.openInspector.addEventListener("click", () => showInspector(!drawer.open));
  element.closeInspector.addEventListener("click", () => showInspector(false));
}
