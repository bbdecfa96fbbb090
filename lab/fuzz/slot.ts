import type { ClientFrame, RelayFrame } from "@aimessage/sdk/protocol";
import { maskedFrame, opcodes } from "../shared/websocket.ts";
import { breach } from "./breach.ts";
import { Connection } from "./connection.ts";
import type { Counts } from "./counts.ts";
import { fill } from "./fill.ts";
import type { Known } from "./known.ts";
import { learn } from "./learn.ts";
import { logIn } from "./login.ts";
import { mutate } from "./mutate.ts";
import { type IdPlan, type Plan, plansOf } from "./plans.ts";
import type { Violation } from "./violation.ts";

export interface SlotOptions {
  port: number;
  seed: number;
  slot: number;
  /** How many frames it sends. */
  frames: number;
  known: Known;
  counts: Counts;
  fail: (violation: Violation) => void;
  signal: AbortSignal;
}

/** Carries out the plans of one slot, on one connection after another. */
export async function runSlot(options: SlotOptions): Promise<void> {
  const { port, known, counts, fail, signal, frames } = options;
  let connection: Connection | undefined;
  let sent = 0;
  const onAnswer = (from: Connection, request: ClientFrame, answer: RelayFrame): void =>
    learn(known, from, request, answer);
  for (const { opening, plans } of plansOf(options.seed, options.slot)) {
    if (sent >= frames || signal.aborted) break;
    for (const plan of plans) {
      if (sent >= frames || signal.aborted) break;
      if (connection?.isOpen !== true) {
        connection = await Connection.open(port, known, fail, onAnswer);
        counts.opened += 1;
        if (!opening.stranger && !(await logIn(connection, known, opening.user))) continue;
        connection.deaf = opening.deaf;
      }
      carryOut(plan, connection, known, counts);
      sent += 1;
      counts.frames += 1;
      if (plan.do === "breach" || plan.do === "close") {
        await connection.ended();
        connection = undefined;
      }
    }
    // Every answer that is owed has come when this one has.
    if (connection?.isOpen === true) await connection.ask("heartbeat", undefined, "barrier");
  }
  connection?.destroy();
  await connection?.closed;
}

function carryOut(plan: Plan, connection: Connection, known: Known, counts: Counts): void {
  counts.kinds[plan.do] = (counts.kinds[plan.do] ?? 0) + 1;
  switch (plan.do) {
    case "frame":
    case "mutant":
    case "fragments": {
      const { type, data } = fill(plan.frame, { known, ...heardOn(connection) });
      const envelope = { type, id: idOf(plan.id), timestamp: 1, data };
      const text = plan.do === "mutant" ? mutate(envelope, plan.mutations, plan.text) : JSON.stringify(envelope);
      const isReadable =
        plan.do === "fragments" ? connection.send(text, plan.pieces, plan.ping) : connection.send(text);
      if (isReadable) counts.readable += 1;
      if (isReadable && connection.user !== undefined) counts.plausible += 1;
      return undefined;
    }
    case "binary":
      return connection.binary(plan.bytes);
    case "ping":
      return connection.ping(plan.bytes);
    case "pong":
      return connection.pong(
        "text" in plan.payload ? plan.payload.text : `seq:${connection.lastPing + plan.payload.offset}`,
      );
    case "breach":
      return breach(connection, plan.how);
    case "close":
      return close(plan.how, connection);
  }
}

function heardOn({ user, logId, pushed, challenge }: Connection) {
  return { user, logId, pushed, challenge };
}

let ids = 0;
function idOf(plan: IdPlan): string | undefined {
  if (plan === "none") return undefined;
  if (plan === "same") return "same";
  return plan === "odd" ? ["", "\u{1f510}", "x".repeat(128), "\ud800", "__proto__"][++ids % 5] : `f${++ids}`;
}

function close(how: Extract<Plan, { do: "close" }>["how"], connection: Connection): void {
  if (how === "destroy") return connection.destroy();
  if (how === "half") return connection.halfClose();
  if (how === "midway") {
    connection.bytes(maskedFrame(opcodes.text, Buffer.from('{"type":"send"}')).subarray(0, 9));
    return connection.destroy();
  }
  const number = how === "normal" ? 1000 : 3333;
  connection.expectClose(number);
  return connection.bytes(maskedFrame(opcodes.close, Buffer.from([number >> 8, number & 0xff])));
}
