import type { ClientFrame, RelayFrame } from "@aimessage/sdk/protocol";
import { breach } from "./breach.ts";
import type { Counts } from "./counts.ts";
import { fill } from "./fill.ts";
import { learn } from "./learn.ts";
import { Link } from "./link.ts";
import { logIn } from "./login.ts";
import { mutate } from "./mutate.ts";
import { type IdPlan, type Plan, plansOf } from "./plans.ts";
import { maskedFrame, opcodes } from "../shared/websocket.ts";
import type { Violation } from "./violation.ts";
import type { World } from "./world.ts";

export interface SlotOptions {
  port: number;
  seed: number;
  slot: number;
  /** How many frames it sends. */
  frames: number;
  world: World;
  counts: Counts;
  fail: (violation: Violation) => void;
  signal: AbortSignal;
}

/** Carries out the plans of one slot, on one connection after another. */
export async function runSlot(options: SlotOptions): Promise<void> {
  const { port, world, counts, fail, signal, frames } = options;
  let link: Link | undefined;
  let sent = 0;
  const onAnswer = (from: Link, request: ClientFrame, answer: RelayFrame): void =>
    learn(world, from.user, request, answer);
  for (const { opening, plans } of plansOf(options.seed, options.slot)) {
    if (sent >= frames || signal.aborted) break;
    for (const plan of plans) {
      if (sent >= frames || signal.aborted) break;
      if (link?.isOpen !== true) {
        link = await Link.open(port, world, fail, onAnswer);
        counts.opened += 1;
        if (!opening.stranger && !(await logIn(link, world, opening.user))) continue;
        link.deaf = opening.deaf;
      }
      carryOut(plan, link, world, counts);
      sent += 1;
      counts.frames += 1;
      if (plan.do === "breach" || plan.do === "close") {
        await link.ended();
        link = undefined;
      }
    }
    // Every answer that is owed has come when this one has.
    if (link?.isOpen === true) await link.ask("heartbeat", undefined, "barrier");
  }
  link?.destroy();
  await link?.closed;
}

function carryOut(plan: Plan, link: Link, world: World, counts: Counts): void {
  counts.kinds[plan.do] = (counts.kinds[plan.do] ?? 0) + 1;
  switch (plan.do) {
    case "frame":
    case "mutant":
    case "fragments": {
      const { type, data } = fill(plan.frame, { world, ...known(link) });
      const envelope = { type, id: idOf(plan.id), timestamp: 1, data };
      const text = plan.do === "mutant" ? mutate(envelope, plan.mutations, plan.text) : JSON.stringify(envelope);
      const isReadable = plan.do === "fragments" ? link.send(text, plan.pieces, plan.ping) : link.send(text);
      if (isReadable) counts.readable += 1;
      if (isReadable && link.user !== undefined) counts.plausible += 1;
      return undefined;
    }
    case "binary":
      return link.binary(plan.bytes);
    case "ping":
      return link.ping(plan.bytes);
    case "pong":
      return link.pong("text" in plan.payload ? plan.payload.text : `seq:${link.lastPing + plan.payload.offset}`);
    case "breach":
      return breach(link, plan.how);
    case "close":
      return close(plan.how, link);
  }
}

function known({ user, logId, pushed, challenge }: Link) {
  return { user, logId, pushed, challenge };
}

let ids = 0;
function idOf(plan: IdPlan): string | undefined {
  if (plan === "none") return undefined;
  if (plan === "same") return "same";
  return plan === "odd" ? ["", "\u{1f510}", "x".repeat(128), "\ud800", "__proto__"][++ids % 5] : `f${++ids}`;
}

function close(how: Extract<Plan, { do: "close" }>["how"], link: Link): void {
  if (how === "destroy") return link.destroy();
  if (how === "half") return link.halfClose();
  if (how === "midway") {
    link.bytes(maskedFrame(opcodes.text, Buffer.from('{"type":"send"}')).subarray(0, 9));
    return link.destroy();
  }
  const number = how === "normal" ? 1000 : 3333;
  link.expectClose(number);
  return link.bytes(maskedFrame(opcodes.close, Buffer.from([number >> 8, number & 0xff])));
}
