import { mark, readMarker } from "./marker.ts";
import type { Mutation, Shape, TextMutation } from "./plans.ts";

interface Envelope {
  type?: unknown;
  id?: unknown;
  data?: unknown;
}
type Fields = Record<string, unknown>;

/** A frame's text after mutations of what it means, and then one of how it is written. */
export function mutate(envelope: Envelope, mutations: Mutation[], text: TextMutation): string {
  const copy = structuredClone(envelope);
  // Values are shared between plans, and filled with further ones here.
  for (const mutation of mutations) apply(copy, structuredClone(mutation));
  remark(copy);
  const written = rewrite(JSON.stringify(copy), copy, text);
  // A body that names another recipient or group than its frame would be reported as misdelivered.
  return isHonest(written, groupIn(copy.data)) ? written : written.slice(0, -1);
}

function apply(envelope: Envelope, mutation: Mutation): void {
  if (mutation.op === "type") envelope.type = mutation.type;
  else if (mutation.op === "data") envelope.data = mutation.value;
  else if (mutation.op === "envelope") define(envelope as Fields, mutation.name, mutation.value);
  else if (mutation.op === "add") define(fieldsOf(envelope), mutation.name, mutation.value);
  else {
    const places = placesIn(fieldsOf(envelope));
    const place = places[mutation.field % Math.max(1, places.length)];
    if (place === undefined) return;
    const [holder, name] = place;
    if (mutation.op === "drop") delete holder[name];
    else define(holder, name, mutation.value);
  }
}

/** Not by assignment: that of `__proto__` sets no field. */
function define(holder: Fields, name: string, value: unknown): void {
  Object.defineProperty(holder, name, { value, enumerable: true, configurable: true, writable: true });
}

function fieldsOf(envelope: Envelope): Fields {
  if (typeof envelope.data !== "object" || envelope.data === null) envelope.data = {};
  return envelope.data as Fields;
}

/** Every field, also those of what lies in lists and objects. */
function placesIn(value: Fields, depth = 0): [holder: Fields, name: string][] {
  const places: [Fields, string][] = [];
  for (const name of Object.keys(value).slice(0, 16)) {
    places.push([value, name]);
    const inner = value[name];
    if (typeof inner === "object" && inner !== null && depth < 3) places.push(...placesIn(inner as Fields, depth + 1));
  }
  return places;
}

/** Has bodies name whom their frame names now. */
function remark({ data }: Envelope): void {
  if (typeof data !== "object" || data === null) return;
  for (const holder of [data, ...listsOf(data as Fields)] as Fields[])
    for (const name of ["message", "welcome"]) {
      const marker = readMarker(holder[name]);
      if (marker !== undefined)
        holder[name] = mark({ ...marker, to: recipientIn(holder), group: groupIn(data) ?? marker.group });
    }
}

/** Whom a body is for; without anybody, an epoch of a team. */
function recipientIn({ to, epoch }: Fields): string {
  return typeof to === "string" ? to : `*${String(epoch)}`;
}

function groupIn(data: unknown): string | undefined {
  const group = typeof data === "object" && data !== null ? (data as Fields)["group_id"] : undefined;
  return typeof group === "string" ? group : undefined;
}

function listsOf(data: Fields): unknown[] {
  const lists = [data["messages"], data["welcomes"]].filter((list) => Array.isArray(list)) as unknown[][];
  return lists.flat().filter((item) => typeof item === "object" && item !== null);
}

function shaped(shape: Shape, count: number): string {
  const fields = (value: (index: number) => string) =>
    `{${Array.from({ length: count }, (_, index) => `"k${index}":${value(index)}`).join()}}`;
  switch (shape) {
    case "arrays":
      return "[".repeat(count) + "]".repeat(count);
    case "objects":
      return `${'{"a":'.repeat(count)}0${"}".repeat(count)}`;
    case "fields":
      return fields(() => "1.5");
    case "elements":
      return `[${"0,".repeat(count)}0]`;
    case "both":
      return fields((index) => (index % 2 === 0 ? "[{}]" : '{"a":[1e-7]}'));
    default:
      return `0.${"7".repeat(count)}`;
  }
}

function rewrite(text: string, { data }: Envelope, mutation: TextMutation): string {
  switch (mutation.op) {
    case "none":
      return text;
    case "truncate":
      return text.slice(0, mutation.at % text.length);
    case "insert": {
      const at = mutation.at % text.length;
      return text.slice(0, at) + mutation.text + text.slice(at);
    }
    case "number":
      return text.replace(/(?<=[:[])-?\d[\d.e+]*/g, mutation.text);
    case "shape": {
      const value = shaped(mutation.shape, mutation.count);
      return mutation.inside
        ? text.replace(/"data":\{/, () => `"data":{"shape":${value},`).replace(`${value},}`, `${value}}`)
        : text.replace(/"data":/, () => `"shape":${value},"data":`);
    }
    default: {
      const names = typeof data === "object" && data !== null ? Object.keys(data) : [];
      const name = names[mutation.field % Math.max(1, names.length)] ?? "type";
      return text.replace(/"data":\{/, () => `"data":{${JSON.stringify(name)}:${JSON.stringify(mutation.value)},`);
    }
  }
}

/** `group`: what bodies have been marked with. */
function isHonest(text: string, group: string | undefined): boolean {
  let data: unknown;
  try {
    data = (JSON.parse(text) as Envelope | null)?.data;
  } catch {
    return true;
  }
  if (typeof data !== "object" || data === null) return true;
  return ([data, ...listsOf(data as Fields)] as Fields[]).every((holder) =>
    ["message", "welcome"].every((name) => {
      const marker = readMarker(holder[name]);
      if (marker === undefined) return true;
      return recipientIn(holder).toLowerCase() === marker.to && groupIn(data) === group;
    }),
  );
}
