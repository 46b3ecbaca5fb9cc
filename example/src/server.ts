/** How do customers reach the shop? GET /search?q=…, POST /orders, GET /sold; the port goes to whoever forked us. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { catalog } from './catalog.ts';
import { openSearch } from './search.ts';
import { openWarehouse, type Wish } from './stock.ts';

const products = catalog(20_000);
const search = openSearch(products);
const warehouse = openWarehouse(products);

function answer(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

async function order(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const totalCents = warehouse.order(JSON.parse(Buffer.concat(chunks).toString()) as Wish[]);
  if (totalCents === undefined) answer(response, 409, { reason: 'not in stock' });
  else answer(response, 201, { totalCents });
}

const server = createServer((request, response) => {
  const url = new URL(request.url ?? '/', 'http://shop');
  if (url.pathname === '/search') answer(response, 200, search(url.searchParams.get('q') ?? ''));
  else if (url.pathname === '/sold') answer(response, 200, warehouse.sold());
  else if (url.pathname === '/orders' && request.method === 'POST')
    order(request, response).catch(() => answer(response, 400, { reason: 'not an order' }));
  else answer(response, 404, { reason: 'no such page' });
});

server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
process.on('disconnect', () => process.exit());
