// Puts a feed's address on the clipboard. Without this script the address is text to be selected.
"use strict";

const said = document.getElementById("said");

function marked(address) {
  const range = document.createRange();
  range.selectNodeContents(address);
  getSelection().removeAllRanges();
  getSelection().addRange(range);
}

async function copied(address) {
  try {
    await navigator.clipboard.writeText(address.textContent); // absent where the page came over plain http
    return true;
  } catch {
    marked(address);
    return document.execCommand("copy");
  }
}

document.addEventListener("click", async ({ target }) => {
  const button = target.closest("button.copy");
  if (!button) return;
  const done = await copied(button.previousElementSibling);
  said.textContent = done ? "Address copied" : "The address is marked: copy it with your keyboard";
  if (!done) return;
  button.classList.add("done");
  setTimeout(() => {
    button.classList.remove("done");
    said.textContent = "";
  }, 2500);
});

document.documentElement.classList.add("scripted");
