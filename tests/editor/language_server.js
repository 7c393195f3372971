// The language server of Even Better TOML, a JSON message a line: standard input to it, standard output from it.
const fs = require("fs"), path = require("path"), readline = require("readline");
const { TaploLsp } = require("@taplo/lsp");

TaploLsp.initialize({
  now: () => new Date(),
  envVar: (name) => process.env[name],
  envVars: () => Object.entries(process.env),
  stdErrAtty: () => false,
  stdin: () => Promise.reject("no input"),
  stdout: (bytes) => Promise.resolve(bytes.length),
  stderr: (bytes) => (process.stderr.write(Buffer.from(bytes)), Promise.resolve(bytes.length)),
  glob: () => [],
  readFile: (name) => fs.promises.readFile(name),
  writeFile: (name, bytes) => fs.promises.writeFile(name, bytes),
  urlToFilePath: (url) => decodeURI(url).slice("file://".length),
  isAbsolute: (name) => path.isAbsolute(name),
  cwd: () => process.cwd(),
  findConfigFile: () => undefined,
  fetch: { fetch: () => Promise.reject("no network"), Headers: Headers, Request: Request, Response: Response },
}, { onMessage: (message) => process.stdout.write(JSON.stringify(message) + "\n") }).then((server) => {
  readline.createInterface({ input: process.stdin })
    .on("line", (line) => server.send(JSON.parse(line)))
    .on("close", () => process.exit(0));
});
