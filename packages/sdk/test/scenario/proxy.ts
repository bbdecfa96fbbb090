import { once } from "node:events";
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocket, WebSocketServer } from "ws";

/** A frame as it passes; the fields that tests look at have types. */
export interface Frame {
  type: string;
  id?: string;
  reply_to?: string;
  timestamp?: number;
  data: {
    [field: string]: unknown;
    username?: string;
    status?: string;
    kind?: string;
    from?: string;
    device?: unknown;
    message?: string;
    message_id?: string;
    group_id?: string;
    epoch?: number;
    seq?: number;
    high_water?: number;
    last_seq?: number;
    commit_id?: string;
    commit?: string;
    welcomes?: { to: string; device: string; welcome: string }[];
    messages?: { to: string; message: string; message_id: string }[];
  };
}

/** A frame with other fields in its data. */
export function edit(frame: Frame, change: Frame["data"]): Frame {
  return { ...frame, data: { ...frame.data, ...change } };
}

/** One frame on its way: whose connection it is on, and in which direction it goes. */
export interface Passage {
  agent: string;
  toRelay: boolean;
  frame: Frame;
}

/** What becomes of a frame: undefined passes it, frames replace it (none: it is lost), "cut" ends the connection instead. */
export type Rule = (passage: Passage) => Frame[] | "cut" | undefined;

interface Pair {
  agent: string;
  client: WebSocket;
  relay: WebSocket;
  /** The highest place in the mailbox that was pushed. */
  seq: number;
}

/** Places in the mailbox are spread, so that there is room for more between them. */
const SPREAD = 100_000;

/** A relay between agents and the relay that does as it is told: loses, holds, repeats, changes frames; and records all. */
export class Proxy implements AsyncDisposable {
  /** The relay behind it, which may be another one after a restart. */
  target = "";
  rule: Rule | undefined;
  /** Every frame as its sender wrote it. */
  readonly recorded: Passage[] = [];
  /** What is asked for by HTTP gets this status instead of the relay's answer. */
  httpStatus: number | undefined;
  readonly #server: Server;
  readonly #sockets: WebSocketServer;
  readonly #pairs = new Set<Pair>();

  private constructor(server: Server) {
    this.#server = server;
    this.#sockets = new WebSocketServer({ server });
    this.#sockets.on("connection", (client) => this.#connect(client));
    server.on("request", (asked, response) => this.#passHttp(asked, response));
  }

  static async listen(): Promise<Proxy> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    return new Proxy(server);
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}/ws`;
  }

  /** Pushes a frame to an agent, behind everything that the relay has pushed. */
  push(agent: string, frame: Frame): void {
    const pair = this.#pair(agent);
    pair.seq += 1;
    pair.client.send(JSON.stringify({ ...frame, data: { ...frame.data, seq: pair.seq } }));
  }

  /** Answers an agent's request instead of the relay. */
  answer(agent: string, replyTo: string, frame: Frame): void {
    this.raw(agent, JSON.stringify({ ...frame, reply_to: replyTo, timestamp: 1 }));
  }

  /** Sends an agent any text. */
  raw(agent: string, text: string): void {
    this.#pair(agent).client.send(text);
  }

  /** Sends a frame to the relay, as if the agent had. */
  toRelay(agent: string, frame: Frame): void {
    this.#pair(agent).relay.send(JSON.stringify(frame));
  }

  /** Cuts the connections of an agent, or all. */
  cut(agent?: string): void {
    for (const pair of this.#pairs) if (agent === undefined || pair.agent === agent) end(pair);
  }

  /** The present connections of an agent neither carry anything any more, nor close: its network is gone. */
  freeze(agent: string): void {
    for (const pair of this.#pairs)
      if (pair.agent === agent) for (const socket of [pair.client, pair.relay]) socket.pause();
  }

  isConnected(agent: string): boolean {
    return [...this.#pairs].some((pair) => pair.agent === agent);
  }

  /** Frames of a type that an agent has sent. */
  sentBy(agent: string, type: string): Frame[] {
    return this.recorded
      .filter((passage) => passage.toRelay && passage.agent === agent && passage.frame.type === type)
      .map(({ frame }) => frame);
  }

  /** Frames of a kind (application, welcome, commit, notice) that the relay has pushed to an agent. */
  pushedTo(agent: string, kind: string): Frame[] {
    return this.recorded
      .filter((passage) => !passage.toRelay && passage.agent === agent && passage.frame.data?.kind === kind)
      .map(({ frame }) => frame);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    this.#sockets.close();
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }

  /** Files pass as they are. */
  #passHttp(asked: IncomingMessage, response: ServerResponse): void {
    if (this.httpStatus !== undefined) {
      asked.resume();
      return void response.writeHead(this.httpStatus, { "tus-resumable": "1.0.0" }).end();
    }
    const { hostname, port } = new URL(this.target);
    const { method, headers, url: path } = asked;
    const onward = request({ hostname, port, method, path, headers, agent: false }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on("error", () => response.destroy());
    response.on("close", () => onward.destroy());
    asked.pipe(onward);
  }

  #pair(agent: string): Pair {
    const pair = [...this.#pairs].findLast((one) => one.agent === agent);
    if (pair === undefined) throw new Error(`${agent} is not connected`);
    return pair;
  }

  #connect(client: WebSocket): void {
    const pair: Pair = { agent: "", client, relay: new WebSocket(this.target), seq: 0 };
    const { relay } = pair;
    const early: string[] = [];
    this.#pairs.add(pair);
    client.on("message", (data) => {
      const frame = JSON.parse((data as Buffer).toString()) as Frame;
      if (["register", "authenticate"].includes(frame.type)) pair.agent = frame.data.username?.toLowerCase() ?? "";
      for (const text of this.#pass(pair, true, frame))
        if (relay.readyState === WebSocket.CONNECTING) early.push(text);
        else relay.send(text);
    });
    relay.on("open", () => early.forEach((text) => relay.send(text)));
    relay.on("message", (data) => {
      for (const text of this.#pass(pair, false, JSON.parse((data as Buffer).toString()) as Frame)) client.send(text);
    });
    for (const socket of [client, relay]) socket.on("error", () => end(pair));
    client.on("close", () => end(pair));
    relay.on("close", (code, reason) => {
      if (code === 1001 || code >= 4000) client.close(code, reason);
      else end(pair);
    });
    client.on("close", () => this.#pairs.delete(pair));
  }

  #pass(pair: Pair, toRelay: boolean, frame: Frame): string[] {
    // Frames that were under way when the connection was cut are lost with it.
    if (pair.client.readyState !== WebSocket.OPEN) return [];
    spread(pair, toRelay, frame);
    const passage = { agent: pair.agent, toRelay, frame };
    this.recorded.push({ ...passage, frame: structuredClone(frame) });
    const verdict = this.rule?.(passage);
    if (verdict === "cut") end(pair);
    return verdict === "cut" ? [] : (verdict ?? [frame]).map((one) => JSON.stringify(one));
  }
}

function spread(pair: Pair, toRelay: boolean, { data }: Frame): void {
  if (toRelay) {
    if (data?.seq !== undefined) data.seq = Math.floor(data.seq / SPREAD);
    return;
  }
  if (data?.seq !== undefined) pair.seq = data.seq *= SPREAD;
  if (data?.high_water !== undefined) data.high_water *= SPREAD;
  if (data?.last_seq !== undefined) data.last_seq = (data.last_seq + 1) * SPREAD;
}

function end({ client, relay }: Pair): void {
  client.terminate();
  relay.terminate();
}
