export { relayStoreCases } from "./relay-store-cases.ts";
