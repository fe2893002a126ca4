// Sends the events of a JSON file by the npm package fluent-logger; says how many were acknowledged
// (or, without acks, written). Argument: one JSON object {host, port, path, mode, ack, millis, events,
// count}: with a count, event number i is the file's event i modulo their number, with i as metadata.ref.
'use strict';
const fs = require('fs');
const fluent = require('fluent-logger');

const job = JSON.parse(process.argv[2]);
const events = JSON.parse(fs.readFileSync(job.events, 'utf8'));
const count = job.count || events.length;
const quiet = { info() {}, error(...what) { console.error(...what); } };
const sender = fluent.createFluentSender('clients', {
  host: job.host,
  port: job.port,
  path: job.path,
  timeout: 5.0,
  eventMode: job.mode,
  requireAckResponse: job.ack,
  ackResponseTimeout: 60000,
  milliseconds: job.millis,
  internalLogger: quiet,
});

let done = 0;
for (let i = 0; i < count; i++) {
  const event = { ...events[i % events.length] };
  event.metadata = { ...event.metadata, ref: job.count ? i : event.metadata.ref };
  sender.emit('npm', event, (err) => {
    if (err) {
      console.error(String(err));
      process.exit(1);
    }
    done++;
    if (done === count) {
      sender.end(null, null, () => {
        console.log(done);
        process.exit(0);
      });
    }
  });
}
