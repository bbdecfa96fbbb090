export { FIRST_FRAME_LENGTH, longestFrame, MOST_FRAME_BYTES } from "./bounds.ts";
export {
  concat,
  equal,
  fromBase64,
  fromUint64,
  fromUtf8,
  isBase64,
  lengthPrefixed,
  splitLengthPrefixed,
  toBase32,
  toBase64,
  utf8,
} from "./bytes.ts";
export {
  BlobId,
  CIPHER_SUITE,
  type ClientFrame,
  type ClientFrameData,
  type ClientFrameInput,
  type ClientFrameType,
  clientFrames,
  type FrameBody,
  PROTOCOL_VERSION,
} from "./client-frames.ts";
export { type BadFrame, decodeClientFrame, decodeRelayFrame, encodeClientFrame, encodeRelayFrame } from "./codec.ts";
export { closeCodes, wireErrors, type WireReason } from "./errors.ts";
export { isLoopback } from "./loopback.ts";
export { type Look, lookAt } from "./look.ts";
export { randomId, relayName, Id, Invite, Username, usernameObjection } from "./names.ts";
export { usernameKey } from "./username-key.ts";
export {
  type Delivery,
  type DeliveryKind,
  Limits,
  type RelayFrame,
  type RelayFrameData,
  relayFrames,
  type RelayFrameType,
} from "./relay-frames.ts";
export {
  certificateBody,
  type DeviceCertificate,
  encodeCertificate,
  fingerprintBytes,
  loginBytes,
  pairingBytes,
  pairingLineBytes,
  readCertificate,
  registrationBytes,
  type VerifySignature,
} from "./signing.ts";

declare global {
  // What our types take from the runtime, which every runtime has. A project that names the libraries of ECMAScript alone has no types
  // for it; where there are some, these add nothing.
  interface URL {}
  interface AbortSignal {}
}
