import type { Attack } from "../foe.ts";
import { bodies } from "./bodies.ts";
import { fragments } from "./fragments.ts";
import { gaps } from "./gaps.ts";
import { generations } from "./generations.ts";
import { heartbeats } from "./heartbeats.ts";
import { mailbox } from "./mailbox.ts";
import { nesting } from "./nesting.ts";
import { packages } from "./packages.ts";
import { requests } from "./requests.ts";
import { uploads } from "./uploads.ts";
import { welcomes } from "./welcomes.ts";

/** Everything that is tried at once. */
export const attacks: Record<string, Attack> = {
  heartbeats,
  nesting,
  fragments,
  requests,
  packages,
  mailbox,
  uploads,
  welcomes,
  generations,
  gaps,
  bodies,
};
