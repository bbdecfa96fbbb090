/** Every file in the folder `vectors`, as it should be. */
import { attachmentVectors } from "./attachments.ts";
import { contentVectors } from "./contents.ts";
import { clientFrameVectors } from "./client-frames.ts";
import { lineVectors } from "./lines.ts";
import { nameVectors } from "./names.ts";
import { relayFrameVectors } from "./relay-frames.ts";
import { certificateVectors, fingerprintVectors, registrationVectors, signedVectors } from "./signed.ts";
import { teamVectors } from "./teams.ts";
import { tokenVectors, webhookVectors } from "./tokens.ts";
import { xWingVectors } from "./x-wing.ts";
import { another, device, hex, identity, type Vector, writeVectors } from "./vector.ts";

function keyVectors(): Vector[] {
  const named = { identity, device, another };
  return Object.entries(named).map(([name, { seed, publicKey }], index) => ({
    clause: "P-2.6",
    what: `the ${name === "another" ? "other identity's" : `${name}'s`} key: RFC 8032, section 7.1, test ${index + 1}`,
    name,
    seed,
    public_key: hex(publicKey),
  }));
}

/** Texts by the files' names. */
export function vectorFiles(): Record<string, string> {
  const files = {
    keys: keyVectors(),
    signed: signedVectors(),
    registrations: registrationVectors(),
    certificates: certificateVectors(),
    fingerprints: fingerprintVectors(),
    contents: contentVectors(),
    attachments: attachmentVectors(),
    "client-frames": clientFrameVectors(),
    "relay-frames": relayFrameVectors(),
    names: nameVectors(),
    lines: lineVectors(),
    "token-logins": tokenVectors(),
    webhooks: webhookVectors(),
    "x-wing": xWingVectors(),
    teams: teamVectors(),
  };
  return Object.fromEntries(Object.entries(files).map(([name, vectors]) => [`${name}.json`, writeVectors(vectors)]));
}
