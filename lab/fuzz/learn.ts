import type { ClientFrame, RelayFrame } from "@aimessage/sdk/protocol";
import type { Known, User } from "./known.ts";

/** Takes from an answer what later frames need to be plausible. */
export function learn(
  known: Known,
  { user, device }: { user: User | undefined; device: string | undefined },
  request: ClientFrame,
  answer: RelayFrame,
): void {
  if (answer.type === "agent" || answer.type === "keys") {
    const { username, device } = answer.data;
    if (device !== undefined && known.isOther(username)) known.others.set(username, device.id);
  } else if (answer.type === "registered" && user?.next !== undefined && user.next.deviceId === answer.data.device)
    known.replaced(user);
  if (answer.type !== "ack" || user === undefined) return;
  if (request.type === "commit" && answer.data.status === "committed") {
    const { group_id, epoch, members } = request.data;
    if (request.data.team === true) {
      // Where ids repeat it may be the answer to another one.
      if (device !== undefined && answer.data.commit_id === request.data.commit_id)
        known.teams.committed(device, request.data);
    } else if (epoch === 0 && members !== undefined) known.opened(group_id, members);
    else advance(user, group_id, epoch);
  } else if (answer.data.status === "blob") known.reserved(user, answer.data.blob ?? "");
  else if (request.type === "unregister" && answer.data.status === "unregistered")
    known.removed(user, request.data?.release === true);
}

function advance(user: User, id: string, epoch: number): void {
  // Members share the record.
  const group = user.groups.find((one) => one.id === id);
  if (group !== undefined) group.epoch = Math.max(group.epoch, epoch + 1);
}
