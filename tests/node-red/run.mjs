// Runs a flow in Node-RED, without its editor, beside an MQTT broker that gets a message every 100 ms.
// Prints the number of each message; ends when standard input is closed.
//   node run.mjs FLOW.json
import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:net";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Aedes } from "aedes";
import RED from "node-red";

const broker = await Aedes.createBroker();
const listener = createServer(broker.handle);
await new Promise((done) => listener.listen(0, "127.0.0.1", done));
process.env.MQTT_HOST = "127.0.0.1";
process.env.MQTT_PORT = String(listener.address().port);

const userDir = await mkdtemp(join(tmpdir(), "lotwise-node-red-"));
await writeFile(join(userDir, "flows.json"), await readFile(process.argv[2]));
await writeFile(join(userDir, "package.json"), "{}");
const http = createHttpServer();
RED.init(http, {
    userDir,
    flowFile: "flows.json",
    httpAdminRoot: false,
    httpNodeRoot: false,
    disableEditor: true,
    credentialSecret: false,
    logging: { console: { level: "info", metrics: false, audit: false } },
});
await RED.start();

const subscribed = new Promise((done) => broker.on("subscribe", done));
await subscribed;
let sequence = 0;
const publisher = setInterval(() => {
    const message = { time: Date.now(), temperature: 64.5, sequence, state: "running" };
    broker.publish(
        { topic: "factory-json/line1/extruder", payload: JSON.stringify(message), qos: 1, retain: false },
        (error) => error && console.error(error),
    );
    console.log(`published ${sequence++}`);
}, 100);

process.stdin.resume();
await new Promise((done) => process.stdin.on("end", done));
clearInterval(publisher);
await RED.stop();
await rm(userDir, { recursive: true, force: true });
process.exit(0);
