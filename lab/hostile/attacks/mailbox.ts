import { randomBytes } from "node:crypto";
import { randomGroup } from "../../../packages/server/test/agent.ts";
import type { LoadSocket } from "../../shared/load-socket.ts";
import { type Attack, besiege, type Foe, frames, insist, pour } from "../foe.ts";

const STRANGERS = 28;
const BYTES = 600_000;

/** Strangers who fill the mailbox of an agent that is away. */
export const mailbox: Attack = (target, signal) => {
  const message = randomBytes(BYTES).toString("base64");
  const from = ["127.0.2.1", "127.0.2.2", "127.0.2.3", "127.0.2.4"];
  return besiege(target, { name: "fill", accounts: STRANGERS, from }, signal, async (socket, foe) => {
    const { sleeper: to } = target;
    const group_id = await openJunk(foe, socket, to, signal);
    const send = (id: string) => ({
      type: "send",
      id,
      data: { to, message, group_id, epoch: 1, message_id: `${group_id.slice(0, 20)}-${id}`, resume: true },
    });
    await pour(socket, frames(send), signal);
  });
};

/** Opens a group by a Welcome that nobody can read. @returns its id */
export async function openJunk(foe: Foe, socket: LoadSocket, to: string, signal: AbortSignal): Promise<string> {
  const { data: peer } = await insist(socket, { type: "lookup", id: "l", data: { username: to } }, signal);
  const group_id = randomGroup();
  const data = {
    commit_id: group_id.slice(0, 32),
    group_id,
    epoch: 0,
    members: [
      { username: foe.username, device: foe.device.id },
      { username: to, device: peer.device.id },
    ],
    welcomes: [{ to, device: peer.device.id, welcome: randomBytes(1_000).toString("base64") }],
    messages: [],
  };
  await insist(socket, { type: "commit", id: "c", data }, signal);
  return group_id;
}
