/** How does a client of the Messages API run without one? A server on this machine that answers every prompt with a few words. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface StandInApi {
  readonly url: string;
  /** Prompts that were answered. */
  readonly requests: () => number;
  readonly close: () => void;
}

const MODEL = 'stand-in';
const WORDS = 'The work is done.';
const USAGE = {
  input_tokens: 100,
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: 0,
  output_tokens: 5,
};

/** The header in which a client tells its pid, where ANTHROPIC_CUSTOM_HEADERS says so. */
export const PID_HEADER = 'x-client-pid';

/** Opens it on a free port of 127.0.0.1; it answers after `turnMs`, and tells `onPrompt` at once who asks. */
export async function openStandInApi(turnMs: number, onPrompt: (pid: number) => void): Promise<StandInApi> {
  let requests = 0;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const path = (request.url ?? '').split('?')[0];
      if (path === '/v1/messages/count_tokens') {
        send(response, 200, { input_tokens: 100 });
        return;
      }
      if (path !== '/v1/messages') {
        send(response, 404, {
          type: 'error',
          error: { type: 'not_found_error', message: 'no such path' },
        });
        return;
      }
      requests += 1;
      onPrompt(Number(request.headers[PID_HEADER]));
      const body = JSON.parse(Buffer.concat(chunks).toString('utf8')) as { stream?: boolean; model?: string };
      const message = {
        id: `msg_${requests}`,
        type: 'message',
        role: 'assistant',
        model: body.model ?? MODEL,
        stop_sequence: null,
        usage: USAGE,
      };
      setTimeout(() => {
        if (body.stream === true) {
          stream(response, message);
          return;
        }
        send(response, 200, {
          ...message,
          stop_reason: 'end_turn',
          content: [{ type: 'text', text: WORDS }],
        });
      }, turnMs);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests: () => requests,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

/** The events of one short answer, as the API's documentation of streaming has them. */
function stream(response: ServerResponse, message: object): void {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  const tell = (type: string, more: object): void =>
    void response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`);
  tell('message_start', { message: { ...message, content: [], stop_reason: null } });
  tell('content_block_start', { index: 0, content_block: { type: 'text', text: '' } });
  tell('content_block_delta', { index: 0, delta: { type: 'text_delta', text: WORDS } });
  tell('content_block_stop', { index: 0 });
  tell('message_delta', {
    delta: { stop_reason: 'end_turn', stop_sequence: null },
    usage: { output_tokens: 5 },
  });
  tell('message_stop', {});
  response.end();
}
