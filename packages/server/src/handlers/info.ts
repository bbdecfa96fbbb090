import { CIPHER_SUITE, clientFrames, PROTOCOL_VERSION } from "@aimessage/sdk/protocol";
import type { Context } from "../context.ts";
import type { Answer } from "./session.ts";
import { VERSION } from "../version.ts";

/** [P-7.2] */
export function info({ config: { limits }, names, clock }: Context): Answer {
  return {
    type: "info",
    data: {
      protocol: PROTOCOL_VERSION,
      version: VERSION,
      suite: CIPHER_SUITE,
      names,
      time: clock(),
      features: [...Object.keys(clientFrames), ...(limits.blobs > 0 ? ["blobs"] : [])],
      limits: {
        frame_bytes: limits.frameBytes,
        frame_bytes_unauthenticated: limits.frameBytesUnauthenticated,
        mailbox_messages: limits.mailboxMessages,
        mailbox_bytes: limits.mailboxBytes,
        mailbox_age_ms: limits.mailboxAge,
        in_flight_messages: limits.inFlightMessages,
        in_flight_bytes: limits.inFlightBytes,
        frames_per_second: limits.framesPerSecond,
        frames_burst: limits.framesBurst,
        key_packages: limits.keyPackages,
        ...(limits.blobs > 0 ? { blob_bytes: limits.blobBytes } : {}),
      },
    },
  };
}
