// Sends the events of a JSON file by the npm package @fluent-org/logger; says how many were acknowledged
// (or, without acks, written). Argument: one JSON object {host, port, path, mode, ack, patience, events,
// count}: with a count, event number i is the file's event i modulo their number, with i as metadata.ref.
'use strict';
const fs = require('fs');
const { FluentClient, EventTime } = require('@fluent-org/logger');

const job = JSON.parse(process.argv[2]);
const events = JSON.parse(fs.readFileSync(job.events, 'utf8'));

async function run() {
  const client = new FluentClient('clients', {
    eventMode: job.mode,
    ack: job.ack ? (job.patience ? { ackTimeout: job.patience } : {}) : undefined,
    socket: { host: job.host, port: job.port, path: job.path, timeout: 5000 },
    onSocketError(err) { console.error(String(err)); },
  });
  // One way of giving the time after another, as programs do.
  const times = [() => undefined, () => 1700000000, () => new Date(1700000000000),
    () => EventTime.fromTimestamp(1700000000500)];
  const count = job.count || events.length;
  const results = await Promise.all(Array.from({ length: count }, (_, i) => {
    const e = { ...events[i % events.length] };
    e.metadata = { ...e.metadata, ref: job.count ? i : e.metadata.ref };
    const when = times[i % times.length]();
    return when === undefined ? client.emit('org', e) : client.emit('org', e, when);
  }));
  await client.shutdown();
  console.log(results.length);
}

run().catch((err) => {
  console.error(String(err && err.stack));
  process.exit(1);
});
