// The examples that AWS publishes of Signature Version 4: "Authenticating Requests: Using the Authorization Header" of the API reference of S3.
import { expect, test } from "vitest";
import { signed } from "../src/blobs/s3/sign.ts";

const example = {
  region: "us-east-1",
  credentials: {
    keyId: "AKIAIOSFODNN7EXAMPLE",
    secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    session: undefined,
  },
  now: Date.UTC(2013, 4, 24),
};
const url = (rest: string): URL => new URL(rest, "https://examplebucket.s3.amazonaws.com");

test.each([
  [
    "a range of an object",
    { method: "GET", url: url("/test.txt"), headers: { range: "bytes=0-9" }, body: [] },
    "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
  ],
  [
    "an object that is put, whose name needs encoding",
    {
      method: "PUT",
      url: url("/test$file.text"),
      headers: { date: "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY" },
      body: [Buffer.from("Welcome "), Buffer.from("to Amazon S3.")],
    },
    "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
  ],
  [
    "a query without a value",
    { method: "GET", url: url("/?lifecycle"), headers: {}, body: [] },
    "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
  ],
  [
    "a list",
    { method: "GET", url: url("/?prefix=J&max-keys=2"), headers: {}, body: [] },
    "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
  ],
])("%s is signed as AWS signs it", (_, request, signature) => {
  const { authorization } = signed({ ...example, ...request });
  expect(authorization).toContain(
    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=",
  );
  expect(authorization?.split("Signature=")[1]).toBe(signature);
});
