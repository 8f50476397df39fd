"use strict";
// Asks for the figures once a second, and says so when nobody answers.
const state = document.getElementById("state");
const list = document.getElementById("figures");
let before;

function show(name, value) {
  const term = document.createElement("dt");
  const figure = document.createElement("dd");
  term.textContent = name;
  figure.textContent = value.toLocaleString("en");
  const group = document.createElement("div");
  group.append(term, figure);
  return group;
}

async function refresh() {
  try {
    const answer = await (await fetch("/figures.json")).json();
    const { figures } = answer;
    const rate = before === undefined ? 0 : figures.stored - before;
    before = figures.stored;
    state.textContent = answer.warehouse_open ? "The stack is running." : "The warehouse is being opened.";
    const named = Object.entries(figures).map(([name, value]) => show(name.replace("_", "-"), value));
    list.replaceChildren(show("events a second", rate), ...named);
  } catch {
    state.textContent = "The stack does not answer: is it running?";
  }
  setTimeout(refresh, 1000);
}
refresh();
