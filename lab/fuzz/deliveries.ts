import type { RelayFrameData } from "@aimessage/sdk/protocol";
import type { Known, User } from "./known.ts";
import { readMarker } from "./marker.ts";
import { Violation } from "./violation.ts";

/** Whoever gets something must be whom it was sent to, by whom the relay says, in a group of theirs. @throws Violation */
export function checkDelivery(
  known: Known,
  { user, device }: { user: User | undefined; device: string | undefined },
  data: RelayFrameData<"message">,
): void {
  if (device !== undefined) known.teams.pushed(device, data);
  if (user === undefined) throw new Violation("a message for a connection that has not logged in");
  const marker = readMarker(data.message);
  if (marker === undefined) return;
  const name = user.name.toLowerCase();
  const isToAll = marker.to === `*${data.epoch}` && data.pos !== undefined;
  if (isToAll && marker.from === name) throw new Violation(`${name} got what it has said to a team itself`);
  if (!isToAll && marker.to !== name) throw new Violation(`${name} got what was sent to ${marker.to}`);
  if (marker.from !== data.from.toLowerCase())
    throw new Violation(`what ${marker.from} sent came as from ${data.from}`);
  if (marker.group !== data.group_id) throw new Violation(`what was sent in ${marker.group} came in ${data.group_id}`);
  if (marker.group !== undefined && device !== undefined && !known.isMember(marker.group, device))
    throw new Violation(`${device} got a message of a group in which it is not`);
}
