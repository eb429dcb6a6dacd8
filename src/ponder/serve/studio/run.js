// One request as its events tell it: what was asked, what leads, what was spent, and the tree of its draws.

export class Run {
  constructor(id) {
    Object.assign(this, { id, asked: {}, plan: null, nodes: new Map(), roles: {}, usd: 0, leading: null, answered: null, refused: null });
  }

  // Events of several answers to one request have names of their own.
  hear(event, choice = 0) {
    const { kind, data } = event;
    const [id, parent] = [event.id, event.parent].map((one) => (one === null ? null : `${choice}.${one}`));
    const node = this.nodes.get(parent);
    if (kind === "started") this.asked = this.asked.question === undefined ? data : this.asked;
    else if (kind === "planned") this.plan = data;
    else if (kind === "drawn") this.draw(id, parent, data);
    else if (kind === "proposed") this.nodes.set(id, { id, parent, text: data.text, role: "policy", tokens: 0 });
    else if (kind === "scored" && node) Object.assign(node, { score: data.value, verifier: data.verifier, error: data.error ?? node.error });
    else if (kind === "pruned" && node) node.pruned = true;
    else if (kind === "leading") this.leading = data;
    else if (kind === "refused") this.refused = data;
    else if (kind === "answered") this.answered = data;
  }

  draw(id, parent, data) {
    const tokens = data.usage.prompt - data.usage.cached + data.usage.completion;
    this.roles[data.role] = (this.roles[data.role] ?? 0) + tokens;
    if (data.role !== "replayed") this.usd = data.usd === null || this.usd === null ? null : this.usd + data.usd;
    if (data.role === "policy" || data.role === "replayed")
      this.nodes.set(id, { id, parent, text: data.text, reasoning: data.reasoning, role: data.role, tokens, cached: data.usage.cached, error: data.error, ended: data.finish_reason });
  }

  get tokens() {
    return Object.entries(this.roles).reduce((sum, [role, tokens]) => (role === "replayed" ? sum : sum + tokens), 0);
  }

  get answer() {
    const said = this.answered ?? this.leading;
    return said ? (said.answer ?? said.text) : null;
  }
}
