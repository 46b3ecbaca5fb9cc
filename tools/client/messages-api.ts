/** What stands in for the Messages API while a real client is tested? A server on loopback whose answers the prompts themselves script. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

/** What one turn answers, in order: text, calls of tools, and pauses between them. */
export type Piece =
  | string
  | { readonly tool: string; readonly input: Readonly<Record<string, unknown>> }
  | { readonly pauseMs: number };

/** The answers to the turns of one conversation; behind the last one it is `done`. */
export type Script = readonly (readonly Piece[])[];

/** A request as the client sent it. */
export interface SeenRequest {
  /** The sub-agent that sent it; undefined: the conversation itself. */
  readonly agent: string | undefined;
  readonly body: MessagesBody;
}

interface MessagesBody {
  readonly model: string;
  readonly stream?: boolean;
  readonly messages: readonly { readonly role: string; readonly content: string | readonly Block[] }[];
}

type Block = Readonly<Record<string, unknown>>;

const SCRIPT = /\[\[script:([A-Za-z0-9+/=]+)\]\]/g;

/** The words that carry a script inside a prompt. Scripts of sub-agents stand in the prompts of the calls that start them. */
export function scripted(script: Script): string {
  return `[[script:${Buffer.from(JSON.stringify(script)).toString('base64')}]]`;
}

/** Serves on a free port of 127.0.0.1 until it is closed. */
export async function serveMessages(): Promise<{
  readonly url: string;
  readonly requests: readonly SeenRequest[];
  readonly close: () => void;
}> {
  const requests: SeenRequest[] = [];
  const server = createServer((request, response) => {
    void answer(request, response, requests).catch((error: unknown) => {
      response.destroy(error instanceof Error ? error : undefined);
    });
  });
  const port = await listen(server);
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : 0);
    });
  });
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  seen: SeenRequest[],
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString('utf8');
  const path = (request.url ?? '').split('?')[0];
  if (path === '/v1/messages/count_tokens') {
    json(response, 200, { input_tokens: Math.ceil(text.length / 4) });
    return;
  }
  if (path !== '/v1/messages') {
    json(response, 404, { type: 'error', error: { type: 'not_found_error', message: 'no such path here' } });
    return;
  }

  const body = JSON.parse(text) as MessagesBody;
  const agent = request.headers['x-claude-code-agent-id'];
  seen.push({ agent: typeof agent === 'string' ? agent : undefined, body });
  const message = {
    id: `msg_${seen.length}`,
    type: 'message',
    role: 'assistant',
    model: body.model,
    stop_sequence: null,
    usage: { input_tokens: Math.ceil(text.length / 4), output_tokens: 20 },
  };
  const pieces = turnOf(body);
  const stopReason = pieces.some((piece) => typeof piece === 'object' && 'tool' in piece)
    ? 'tool_use'
    : 'end_turn';
  if (body.stream !== true) {
    for (const piece of pieces)
      if (typeof piece === 'object' && 'pauseMs' in piece) await sleep(piece.pauseMs);
    json(response, 200, { ...message, content: pieces.flatMap(blockOf), stop_reason: stopReason });
    return;
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const send = (type: string, fields: object): void =>
    void response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`);
  send('message_start', { message: { ...message, content: [], stop_reason: null } });
  let index = 0;
  for (const piece of pieces) {
    if (typeof piece === 'object' && 'pauseMs' in piece) await sleep(piece.pauseMs);
    const [block] = blockOf(piece);
    if (block === undefined) continue;
    const isText = block['type'] === 'text';
    send('content_block_start', {
      index,
      content_block: isText ? { ...block, text: '' } : { ...block, input: {} },
    });
    const delta = isText
      ? { type: 'text_delta', text: block['text'] }
      : { type: 'input_json_delta', partial_json: JSON.stringify(block['input']) };
    send('content_block_delta', { index, delta });
    send('content_block_stop', { index });
    index += 1;
  }
  send('message_delta', { delta: { stop_reason: stopReason, stop_sequence: null }, usage: message.usage });
  send('message_stop', {});
  response.end();
}

let calls = 0;

function blockOf(piece: Piece): Block[] {
  if (typeof piece === 'string') return [{ type: 'text', text: piece }];
  if (!('tool' in piece)) return [];
  calls += 1;
  return [
    { type: 'tool_use', id: `toolu_${String(calls).padStart(8, '0')}`, name: piece.tool, input: piece.input },
  ];
}

/** The newest script in what the user said, and as many of its turns behind us as the assistant has answered since. */
function turnOf({ messages }: MessagesBody): readonly Piece[] {
  for (let at = messages.length - 1; at >= 0; at -= 1) {
    const message = messages[at];
    if (message?.role !== 'user') continue;
    const found = [...textOf(message.content).matchAll(SCRIPT)].at(-1)?.[1];
    if (found === undefined) continue;
    const script = JSON.parse(Buffer.from(found, 'base64').toString('utf8')) as Script;
    const answered = messages.slice(at + 1).filter(({ role }) => role === 'assistant').length;
    return withAgentId(script[answered] ?? ['done'], messages);
  }
  return ['hello'];
}

/** `$AGENT` in a call stands for the agent that was named last: nobody can know it before. */
function withAgentId(pieces: readonly Piece[], messages: MessagesBody['messages']): readonly Piece[] {
  const id = [...JSON.stringify(messages).matchAll(/agentId: (a[0-9a-f]{8,})/g)].at(-1)?.[1];
  return id === undefined ? pieces : (JSON.parse(JSON.stringify(pieces).replaceAll('$AGENT', id)) as Piece[]);
}

/** The user's own words: results of tools are no scripts. */
function textOf(content: string | readonly Block[]): string {
  if (typeof content === 'string') return content;
  return content.map((block) => (block['type'] === 'text' ? String(block['text']) : '')).join('\n');
}

/** What the tools answered the conversation, as the model reads it. */
export function toolResults(requests: readonly SeenRequest[], agent?: string): string[] {
  const last = requests.filter((request) => request.agent === agent).at(-1);
  return (last?.body.messages ?? []).flatMap(({ content }) =>
    typeof content === 'string'
      ? []
      : content
          .filter((block) => block['type'] === 'tool_result')
          .map((block) => JSON.stringify(block['content'])),
  );
}

function json(response: ServerResponse, status: number, value: object): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(value));
}
