// Node's own http, without a framework.
'use strict';
const http = require('http');

const answers = new Map([
    ['/plaintext', () => ['text/plain', 'Hello, World!']],
    ['/json', () => ['application/json', JSON.stringify({ message: 'Hello, World!' })]],
]);

const server = http.createServer((req, res) => {
    const answer = answers.get(req.url);

    if (answer === undefined) {
        res.writeHead(404).end();
        return;
    }
    const [type, body] = answer();
    res.writeHead(200, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) });
    res.end(body);
});

server.keepAliveTimeout = 300000;
server.maxRequestsPerSocket = 0;
server.listen(Number(process.argv[2]), '127.0.0.1', 4096);
