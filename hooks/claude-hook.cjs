// Which hook does the plugin start? The bundle that `npm ci` built beside it; without one every call goes through, and each
// session is told once how to have it.
'use strict';
const fs = require('node:fs');
const path = require('node:path');

const bundle = path.join(__dirname, '..', 'dist', 'claude-hook.cjs');
if (fs.existsSync(bundle)) require(bundle);
else if (process.argv[2] === 'session-start') {
  const words = `The memory gate is not built, so nothing is held back: run \`npm ci\` in ${path.dirname(__dirname)}`;
  process.stdout.write(`${JSON.stringify({ systemMessage: words })}\n`);
}
