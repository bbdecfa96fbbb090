/**
 * What both programs, `aimessage` and `aimessage-server`, share: how text from outside is printed, and how files and
 * output are written. Nothing of the SDK is behind it, so that a relay may use it, and a command loads it in no time.
 */
export { explainParser, garbledArgument, withHelpFlag } from "./argv.ts";
export { readDuration, writeDuration } from "./duration.ts";
export { escapeBody, escapeJson, escapeJsonText, escapeLine, escapeText } from "./escape.ts";
export { type FileOptions, makeWhole, syncFolder, writeWhole } from "./files.ts";
export { free } from "./free.ts";
export { asOwnerOf, becomeOwnerOf } from "./owner.ts";
export { eachOptionOnce } from "./once.ts";
export { withinColumns } from "./live.ts";
export { createOutput, type Line, type Output, printable, StdoutError, table } from "./output.ts";
export { systemError } from "./system-error.ts";
export { guardStdio, lossyLines, type LossyLines, print } from "./stdio.ts";
export { PAGE_HEADERS, PageFiles } from "./page-files.ts";
