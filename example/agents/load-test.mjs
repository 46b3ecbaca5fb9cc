// Does the shop sell nothing twice while many buy at once? A server and customers, each a process of its own.
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Agent, request } from 'node:http';
import { DIST, random, report } from './shared.mjs';

const [, script, customer, port] = process.argv;
if (customer === 'customer') await buy(Number(port), Number(process.argv[4]));
else await test({ customers: 3 });

async function test({ customers }) {
  const server = fork(join(DIST, 'server.mjs'), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const [{ port }] = await once(server, 'message');
  const startedMs = performance.now();
  const receipts = await Promise.all(
    Array.from({ length: customers }, async (_, index) => {
      const child = fork(script, ['customer', String(port), String(index)]);
      let receipt;
      child.on('message', (message) => (receipt = message));
      // Not `exit` alone: the last message may still be on its way.
      const [[code]] = await Promise.all([once(child, 'exit'), once(child, 'disconnect')]);
      assert.equal(code, 0, `customer ${index} failed`);
      return receipt;
    }),
  );
  const seconds = (performance.now() - startedMs) / 1000;
  const sold = JSON.parse(await call(new Agent(), port, 'GET', '/sold'));
  server.disconnect();
  await once(server, 'exit');

  const sum = (key) => receipts.reduce((total, receipt) => total + receipt[key], 0);
  assert.equal(sold.orders, sum('orders'), 'orders taken and orders confirmed differ');
  assert.equal(sold.cents, sum('cents'), 'money taken and money paid differ');
  assert.ok(sold.orders > 200 && sum('refused') > 0, `${sold.orders} orders, and the stock was never short`);
  report('load-test', {
    customers,
    requests: sum('requests'),
    requests_per_second: Math.round(sum('requests') / seconds),
    orders: sold.orders,
    refused: sum('refused'),
    sold_cents: sold.cents,
  });
}

/** One customer: searches, orders what is found, keeps every receipt. */
async function buy(port, seed) {
  const chance = random(seed + 1);
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const words = ['oak lamp', 'glazed clay bowl', 'woven wool blanket', 'steel shelf', 'brass mirror'];
  const receipt = { requests: 0, orders: 0, refused: 0, cents: 0 };
  await Promise.all(Array.from({ length: 8 }, visit));
  agent.destroy();
  process.send(receipt, () => process.disconnect());

  async function visit() {
    for (let round = 0; round < 150; round++) {
      const query = encodeURIComponent(words[Math.floor(chance() * words.length)]);
      const found = JSON.parse(await call(agent, port, 'GET', `/search?q=${query}`));
      const wishes = choose(found, 3).map(({ id }) => ({ id, quantity: 1 + Math.floor(chance() * 3) }));
      const { totalCents } = JSON.parse(await call(agent, port, 'POST', '/orders', JSON.stringify(wishes)));
      receipt.requests += 2;
      if (totalCents === undefined) receipt.refused += 1;
      else receipt.orders += 1;
      receipt.cents += totalCents ?? 0;
    }
  }

  function choose(list, count) {
    return Array.from({ length: count }, () => list[Math.floor(chance() * list.length)]);
  }
}

function call(agent, port, method, path, body = '') {
  return new Promise((resolve, reject) => {
    const sent = request({ agent, port, method, path, host: '127.0.0.1' }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk) => (text += chunk));
      response.on('end', () => resolve(text)).on('error', reject);
    });
    sent.on('error', reject).end(body);
  });
}
