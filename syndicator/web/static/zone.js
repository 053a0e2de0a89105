// Chooses the visitor's own time zone in a form, as long as nobody has chosen one. Without this script it is chosen by hand.
"use strict";

const zones = document.querySelector("select[data-guess]");

function guessed() {
  try {
    return Intl.DateTimeFormat().resolvedOptions().timeZone || "";
  } catch {
    return "";
  }
}

function choose(zone) {
  const known = [...zones.options].some((option) => option.value === zone);
  if (!known) zones.add(new Option(zone.split("/").pop().replaceAll("_", " "), zone)); // by a former name, as browsers say it
  zones.value = zone;
}

const zone = guessed();
if (zones && zone.includes("/")) choose(zone);
