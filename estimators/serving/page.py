"""The page to try a model: a form made from its signatures."""

from __future__ import annotations

import html as escaping
import json
from collections.abc import Mapping

from dataflow.spec import TensorSpec, dtype_name
from estimators.export.loaded_model import Signature

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


def html(name: str, version: int, signatures: Mapping[str, Signature]) -> str:
    """Return the page of a model.

    Args:
        name: Of the model.
        version: That is served.
        signatures: By name.
    """
    described = {
        key: {
            "method": signature.method_name.rsplit("/", 1)[-1],
            "inputs": {name: _spec(spec) for name, spec in signature.inputs.items()},
            "outputs": {name: _spec(spec) for name, spec in signature.outputs.items()},
        }
        for key, signature in signatures.items()
    }
    model = {"name": name, "version": str(version), "signatures": described}
    data = json.dumps(model).replace("<", "\\u003c")
    return (
        _HTML.replace("{name}", escaping.escape(name))
        .replace("{version}", str(version))
        .replace("{data}", data)
    )


def _spec(spec: TensorSpec) -> dict[str, object]:
    return {"dtype": dtype_name(spec.dtype), "kind": spec.dtype.kind, "shape": list(spec.shape)}


_HTML = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name}</title>
<link rel="stylesheet" href="page.css">
</head>
<body>
<main>
<header>
<h1>{name}</h1>
<p>Version {version} · <a href="openapi.json">openapi.json</a> · <a href="metrics">metrics</a></p>
</header>
<form id="form" autocomplete="off">
<label id="choice">Signature <select id="signature"></select></label>
<div id="fields"></div>
<button id="predict" type="submit">Predict</button>
</form>
<section id="answer" aria-live="polite" hidden>
<h2>Answer <small id="took"></small></h2>
<p id="error" role="alert" hidden></p>
<table id="outputs"><tbody></tbody></table>
<details><summary>As a command</summary><pre id="command"></pre></details>
<details><summary>JSON</summary><pre id="json"></pre></details>
</section>
</main>
<script type="application/json" id="model">{data}</script>
<script src="page.js"></script>
</body>
</html>
"""

STYLE = """:root { color-scheme: light dark; --line: #8886; --accent: #1a5fb4; }
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body { margin: 0; font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 44rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { margin: 0; overflow-wrap: anywhere; }
h2 { margin: 0 0 .5rem; font-size: 1.2rem; }
header p { margin: 0 0 1.5rem; }
small, header p, .kind { color: color-mix(in srgb, currentColor 65%, transparent); font-weight: normal; }
form, section { border: 1px solid var(--line); border-radius: .5rem; padding: 1rem; margin-bottom: 1rem; }
label { display: block; margin-bottom: .9rem; font-weight: 600; }
.kind { float: right; font-size: .85rem; }
input, select, textarea { display: block; width: 100%; margin-top: .25rem; padding: .45rem .6rem;
  font: inherit; font-weight: normal; border: 1px solid var(--line); border-radius: .3rem; }
input[type=checkbox] { width: auto; }
textarea { font-family: ui-monospace, monospace; min-height: 4rem; resize: vertical; }
button { font: inherit; font-weight: 600; padding: .5rem 1.5rem; border: 0; border-radius: .3rem; color: #fff;
  background: var(--accent); cursor: pointer; }
button:disabled { opacity: .6; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
table { width: 100%; border-collapse: collapse; margin-bottom: 1rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .5rem .35rem 0;
  border-top: 1px solid var(--line); overflow-wrap: anywhere; }
th { width: 35%; }
td { font-size: 1.15rem; font-variant-numeric: tabular-nums; }
#error { color: #c01c28; margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; }
pre { overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; font-size: .85rem; }
"""

SCRIPT = """"use strict";
const model = JSON.parse(document.getElementById("model").textContent);
const at = (id) => document.getElementById(id);
const made = (tag, properties, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};
let fields = [];

const signature = () => model.signatures[at("signature").value];
const byRows = () => Object.values(signature().inputs).every((spec) => spec.shape.length > 0);

function control(name, spec, shape) {
  const id = "input-" + name;
  if (shape.length > 0) return made("textarea", {id, name, required: true, spellcheck: false,
    value: JSON.stringify(shape.reduceRight((inner, size) => Array(size || 1).fill(inner), example(spec)))});
  if (spec.kind === "b") return made("input", {id, name, type: "checkbox"});
  if (spec.kind === "S") return made("input", {id, name, type: "file", required: true});
  if (spec.kind === "U") return made("input", {id, name, type: "text"});
  return made("input", {id, name, type: "number", required: true, value: "0",
    step: spec.kind === "f" ? "any" : "1"});
}

const example = (spec) => spec.kind === "U" || spec.kind === "S" ? "" : spec.kind === "b" ? false : 0;

function build() {
  fields = [];
  at("fields").replaceChildren();
  for (const [name, spec] of Object.entries(signature().inputs)) {
    const shape = byRows() ? spec.shape.slice(1) : spec.shape;
    const element = control(name, spec, shape);
    const sizes = shape.map((size) => size ?? "any").join(", ");
    const textContent = spec.dtype + (shape.length ? " [" + sizes + "], JSON" : "");
    at("fields").append(made("label", {}, name, made("span", {className: "kind", textContent}), element));
    fields.push({name, spec, shape, element});
  }
}

function base64(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}

async function value({name, spec, shape, element}) {
  if (shape.length > 0) {
    try { return JSON.parse(element.value); } catch (error) { throw new Error(name + ": " + error.message); }
  }
  if (spec.kind === "b") return element.checked;
  if (spec.kind === "S") return {b64: await base64(element.files[0])};
  if (spec.kind === "U") return element.value;
  return new Number_(element.value);
}

// Numbers go as they were typed: those beyond 2^53 are none that JavaScript has.
function Number_(text) { this.text = text; }
function toJson(value) {
  if (value instanceof Number_) return /^-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?$/.test(value.text)
    ? value.text : String(Number(value.text));
  if (Array.isArray(value)) return "[" + value.map(toJson).join(",") + "]";
  if (value !== null && typeof value === "object") return "{" + Object.entries(value)
    .map(([key, item]) => JSON.stringify(key) + ":" + toJson(item)).join(",") + "}";
  return JSON.stringify(value);
}

function show(key, item) {
  const text = typeof item === "string" ? item : JSON.stringify(item);
  at("outputs").tBodies[0].append(made("tr", {}, made("th", {scope: "row", textContent: key}),
    made("td", {textContent: text.length > 2000 ? text.slice(0, 2000) + "…" : text})));
}

function shown(answer) {
  const found = answer.predictions ? answer.predictions[0] : answer.outputs;
  const names = Object.keys(signature().outputs);
  if (names.length === 1) show(names[0], Array.isArray(found) && found.length === 1 ? found[0] : found);
  else for (const name of names) show(name, found[name]);
}

async function predict(event) {
  event.preventDefault();
  at("predict").disabled = true;
  at("error").hidden = true;
  at("outputs").tBodies[0].replaceChildren();
  at("json").textContent = at("took").textContent = "";
  try {
    const row = {};
    for (const field of fields) row[field.name] = await value(field);
    const name = at("signature").value;
    const body = toJson({signature_name: name, ...(byRows() ? {instances: [row]} : {inputs: row})});
    const url = new URL("v1/models/" + encodeURIComponent(model.name) + ":predict", document.baseURI).href;
    const quoted = body.replaceAll("'", "'\\\\''");
    at("command").textContent = "curl '" + url + "' -d '"
      + (quoted.length > 3000 ? quoted.slice(0, 3000) + "…" : quoted) + "'";
    const started = performance.now();
    const response = await fetch(url, {method: "POST", body, headers: {"content-type": "application/json"}});
    const text = await response.text();
    at("took").textContent = (performance.now() - started).toFixed(1) + " ms";
    const answer = JSON.parse(text);
    at("json").textContent = JSON.stringify(answer, null, 1).slice(0, 20000);
    if (!response.ok) throw new Error(answer.error);
    shown(answer);
  } catch (error) {
    at("error").textContent = error.message;
    at("error").hidden = false;
  }
  at("answer").hidden = false;
  at("predict").disabled = false;
}

const first = (name) => name === "serving_default";
const names = Object.keys(model.signatures).sort((a, b) => first(b) - first(a));
for (const name of names) at("signature").append(made("option", {value: name, textContent: name}));
at("choice").hidden = names.length < 2;
at("signature").addEventListener("change", build);
at("form").addEventListener("submit", predict);
build();
"""
