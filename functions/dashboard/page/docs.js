// /openapi.json, made readable. Nothing is said here that does not stand there.

import { h } from "./dom.js";

let document_;

const resolved = (node) => (node?.$ref ? node.$ref.slice(2).split("/").reduce((at, key) => at[key], document_) : node);
const refName = (node) => node?.$ref?.split("/").at(-1);
const anchor = (text) => text.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");

/** Text in which `words` are code. */
const prose = (text = "") => text.split("`").map((part, at) => (at % 2 ? h("code", {}, part) : part));

function kind(schema) {
  if (!schema) return "";
  if (schema.$ref) return h("a", { href: `#${anchor(refName(schema))}` }, refName(schema));
  if (schema.oneOf ?? schema.anyOf) return (schema.oneOf ?? schema.anyOf).flatMap((each, at) => (at ? [" or ", kind(each)] : [kind(each)]));
  if (schema.enum) return schema.enum.flatMap((value, at) => [at ? " · " : "", h("code", {}, String(value))]);
  if (schema.const !== undefined) return h("code", {}, String(schema.const));
  if (schema.type === "array") return ["array of ", kind(schema.items)];
  const limits = ["format", "minLength", "maxLength", "minimum", "maximum", "maxItems"].filter((name) => schema[name] !== undefined);
  return [[schema.type ?? "any"].flat().join(" or "), limits.length ? `, ${limits.map((name) => (name === "format" ? schema.format : `${name} ${schema[name]}`)).join(", ")}` : ""];
}

function table(caption, head, rows) {
  const titles = h("tr", {}, head.map((name) => h("th", { scope: "col" }, name)));
  return h("div", { class: "scroll", tabindex: 0 }, h("table", {}, h("caption", {}, caption), h("thead", {}, titles), h("tbody", {}, rows)));
}

function members(schema, caption) {
  const all = Object.entries(schema.properties ?? {});
  if (!all.length) return null;
  const row = ([name, member]) =>
    h("tr", {}, h("th", { scope: "row" }, h("code", {}, name), schema.required?.includes(name) ? h("span", { class: "mark" }, "needed") : null), h("td", {}, kind(member)), h("td", {}, prose(resolved(member)?.description)));
  return table(caption, ["Member", "Type", "Meaning"], all.map(row));
}

function example(content) {
  const found = content && (content.example ?? Object.values(content.examples ?? {})[0]?.value);
  return found === undefined ? null : h("pre", { tabindex: 0, "aria-label": "Example" }, typeof found === "string" ? found : JSON.stringify(found, null, 2));
}

function request(operation) {
  const body = resolved(operation.requestBody);
  if (!body) return null;
  const content = body.content?.["application/json"];
  const forms = (content?.schema?.oneOf ?? [content?.schema]).filter((schema) => schema?.properties);
  return [h("h4", {}, "Body"), h("p", {}, prose(body.description)), h("p", { class: "soft" }, "JSON: ", kind({ oneOf: (content?.schema?.oneOf ?? [content?.schema]).filter(Boolean) })), forms.map((schema) => members(schema, "As an object")), example(content)];
}

function answers(operation) {
  const rows = Object.entries(operation.responses).map(([status, each]) => {
    const response = resolved(each);
    const content = Object.entries(response.content ?? {})[0];
    const headers = Object.entries(response.headers ?? {}).map(([name, header]) => h("p", { class: "soft" }, h("code", {}, name), ": ", prose(resolved(header).description)));
    const shape = content ? [kind(content[1].schema), h("small", { class: "soft" }, ` ${content[0]}`)] : "–";
    return h("tr", {}, h("th", { scope: "row" }, status), h("td", {}, prose(response.description), headers), h("td", {}, shape));
  });
  return [h("h4", {}, "Answers"), table("By status", ["Status", "When", "Body"], rows)];
}

function parameters(operation) {
  const all = (operation.parameters ?? []).map(resolved);
  if (!all.length) return null;
  const row = (each) => h("tr", {}, h("th", { scope: "row" }, h("code", {}, each.name), each.required ? h("span", { class: "mark" }, "needed") : null), h("td", {}, each.in), h("td", {}, kind(each.schema)), h("td", {}, prose(each.description)));
  return [h("h4", {}, "Parameters"), table("In the address and the headers", ["Name", "In", "Type", "Meaning"], all.map(row))];
}

function keys(operation) {
  const named = (operation.security ?? []).flatMap((each) => Object.keys(each)).map((name) => document_.components.securitySchemes[name]);
  if (!named.length) return null;
  const said = (scheme) => (scheme.type === "http" ? ["Authorization: Bearer"] : [scheme.in === "query" ? `?${scheme.name}=` : scheme.name]);
  return h("p", {}, "Key: ", named.flatMap((scheme, at) => [at ? " or " : "", h("code", {}, said(scheme))]), ".");
}

function operation(path, method, each) {
  const title = h("h3", {}, h("span", { class: "badge" }, method.toUpperCase()), " ", h("code", {}, path));
  return h("article", { class: "panel operation", id: anchor(`${method}-${path}`) }, h("header", {}, title, h("p", {}, each.summary)), h("p", {}, prose(each.description)), keys(each), parameters(each), request(each), answers(each));
}

function draw() {
  const { info, paths, components } = document_;
  const operations = Object.entries(paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, each]) => [path, method, each]));
  const schemas = Object.entries(components.schemas);
  const link = (to, text) => h("a", { href: `#${to}` }, text);
  document.getElementById("contents").append(...operations.map(([path, method]) => link(anchor(`${method}-${path}`), path)), ...schemas.map(([name]) => link(anchor(name), name)));
  document.getElementById("docs").replaceChildren(
    h("section", {}, h("h2", {}, info.title), h("p", {}, prose(info.description)), h("p", { class: "soft" }, "All of this stands in ", h("a", { href: "/openapi.json" }, "/openapi.json"), ", for generators of clients.")),
    h("section", { class: "panels tall" }, operations.map((each) => operation(...each))),
    h("section", {}, h("h2", {}, "Shapes"), h("div", { class: "panels tall" }, schemas.map(([name, schema]) => h("article", { class: "panel operation", id: anchor(name) }, h("header", {}, h("h3", {}, name)), h("p", {}, prose(schema.description)), members(schema, "Members") ?? h("p", {}, kind(schema)), example(schema))))),
  );
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

fetch("/openapi.json")
  .then((response) => response.json())
  .then((found) => {
    document_ = found;
    draw();
  })
  .catch(() => {
    document.querySelector("#docs .word").textContent = "The description is not to be had here: ask ingest for its /openapi.json.";
  });
