/** Loaded before the relay, so that it can be asked for its memory; else the relay runs as it always does. */
import { serve } from "./serve.ts";

serve({});
process.channel?.unref();
