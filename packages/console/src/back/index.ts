/** The console's port, and agents of the SDK behind it. */
export { AgentsBack, type GivenFiles, type OpenAgents } from "./agents-back.ts";
export { problemOf } from "./problems.ts";
export { methods, type Given } from "./methods.ts";
export * from "./port.ts";
