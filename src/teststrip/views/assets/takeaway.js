/** What can be taken away of one picture: its settings as a Diffusers snippet and as a command line, a link, the file. */
const TakeAway = (() => {
  /** Settings that the pipeline is made with or that are no call arguments. */
  const BUILD = new Set(["model", "revision", "scheduler", "lora", "lora_scale", "seed", "prompt", "schedule"]);
  const OPTION = "scheduler.";
  const GUIDER = "guider";
  const WINDOW = ["guidance_start", "guidance_stop"];

  /** A Python literal. @param {unknown} value */
  function python(value) {
    if (value === null || value === undefined) return "None";
    if (value === true) return "True";
    if (value === false) return "False";
    return typeof value === "string" ? quoted(value) : String(value);
  }

  /** A string in double quotes that Python, TOML and JSON read alike. @param {string} text */
  const quoted = (text) => JSON.stringify(text).replace(/[\u007f-\u009f\u2028\u2029]/g, (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"));

  /** The argument for a list of steps: "timesteps 999 850" holds its numbers, any other word is a name of Diffusers. @param {string} word */
  function listed(word) {
    const [argument, ...numbers] = word.split(" ");
    if (numbers.length) return `${argument}=[${numbers.join(", ")}]`;
    if (word !== "ays") return `${word.endsWith("Sigmas") ? "sigmas" : "timesteps"}=AysSchedules[${quoted(word)}]`;
    const kind = '"StableDiffusionXLTimesteps" if "XL" in type(pipeline).__name__ else "StableDiffusionTimesteps"';
    return `timesteps=AysSchedules[${kind}]`;
  }

  /** Python that makes this picture with Diffusers. @param {Model} board @param {Place} place */
  function diffusers(board, place) {
    const settings = Board.settings(board, place);
    const scheduler = typeof settings.scheduler === "string" ? settings.scheduler : "";
    const embedded = settings.model === "emoji" || settings.model === undefined;
    const options = Object.entries(settings).filter(([name, value]) => name.startsWith(OPTION) && value !== null);
    const steps = typeof settings.schedule === "string" ? listed(settings.schedule) : "";
    const lines = ["import torch", "from diffusers import DiffusionPipeline" + (scheduler ? ", " + scheduler : "")];
    if (steps.includes("AysSchedules")) lines.push("from diffusers.schedulers import AysSchedules");
    if (embedded) lines.push("from importlib.resources import files");
    lines.push("");
    const model = embedded ? 'str(files("teststrip") / "models" / "emoji")' : python(settings.model);
    const revision = settings.revision ? `, revision=${python(settings.revision)}` : "";
    lines.push(`pipeline = DiffusionPipeline.from_pretrained(${model}${revision})`);
    if (scheduler || options.length) {
      const given = options.map(([name, value]) => `, ${name.slice(OPTION.length)}=${python(value)}`).join("");
      lines.push(`pipeline.scheduler = ${scheduler || "type(pipeline.scheduler)"}.from_config(pipeline.scheduler.config${given})`);
    }
    if (settings.lora) lines.push(`pipeline.load_lora_weights(${python(settings.lora)})`);
    if (settings.lora && settings.lora_scale != null) lines.push(`pipeline.fuse_lora(lora_scale=${python(settings.lora_scale)})`);
    const part = WINDOW.filter((name) => settings[name] != null).map((name) => `${name} = ${settings[name]}`);
    if (part.length) lines.push(`# Guided in a part of the steps alone, for which the call has no argument: ${part.join(", ")}`);
    if (settings[GUIDER]) {
      const led = Object.entries(settings).filter(([name, value]) => name.startsWith(GUIDER + ".") && value !== null);
      const given = led.map(([name, value]) => `${name.slice(GUIDER.length + 1)}=${python(value)}`).join(", ");
      lines.push(`# Guided by ${settings[GUIDER]}(${given}), which Diffusers takes in the modular form of this pipeline alone.`);
    }
    lines.push("image = pipeline(", `    prompt=${quoted(Board.promptOf(board, place))},`);
    for (const [name, value] of Object.entries(settings))
      if (!BUILD.has(name) && !WINDOW.includes(name) && !name.startsWith(OPTION) && name.split(".")[0] !== GUIDER && value !== null) lines.push(`    ${name}=${python(value)},`);
    if (steps) lines.push(`    ${steps},`);
    lines.push(`    generator=torch.Generator("cpu").manual_seed(${place.seed}),`, ").images[0]");
    return lines.join("\n") + "\n";
  }

  /** A value as `--set` reads it (TOML). @param {unknown} value @returns {string} */
  function toml(value) {
    if (Array.isArray(value)) return "[" + value.map(toml).join(", ") + "]";
    if (value !== null && typeof value === "object")
      return "{ " + Object.entries(value).map(([key, each]) => `${/^[\w-]+$/.test(key) ? key : quoted(key)} = ${toml(each)}`).join(", ") + " }";
    return typeof value === "string" ? quoted(value) : String(value);
  }

  /** One word of a POSIX shell. @param {string} text */
  const shell = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : "'" + text.replaceAll("'", "'\\''") + "'");

  /**
   * The command that makes this one picture from the study, in a folder of its own: the study's page and report stay.
   * @param {Model} board @param {Place} place
   */
  function command(board, place) {
    const cell = board.cells[place.cell];
    // An empty value takes a key away: replicates beside seeds, or an exclusion of a level that is gone, is an error.
    const sets = [`prompts=${toml([board.prompts[place.prompt].text])}`, "replicates=", `seeds=${toml([place.seed])}`, "exclude="];
    board.axes.forEach((axis, n) => {
      const label = axis.labels[cell.at[n]];
      const settings = axis.settings[cell.at[n]];
      const level = axis.kind === "linked" ? { label, ...settings } : axis.kind === "setting" ? settings[axis.name] : label;
      sets.push(`axes.${/^[\w-]+$/.test(axis.name) ? axis.name : quoted(axis.name)}=${toml([level])}`);
    });
    const study = "runs/" + board.study.name;
    return `teststrip run ${shell(study)} --out ${shell(`${study}-${place.shot.slice(0, 12)}`)} ` + sets.map((each) => "--set " + shell(each)).join(" ");
  }

  /** Copy a text; by hand where the browser refuses the clipboard. @param {string} text */
  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      const area = document.createElement("textarea");
      area.value = text;
      area.className = "hidden";
      (document.querySelector("[role=dialog]") ?? document.body).append(area);
      area.select();
      const done = document.execCommand("copy");
      area.remove();
      return done;
    }
  }

  /** @param {{board: Model, place: Place}} props */
  function TakeAway({ board, place }) {
    const [said, setSaid] = useState("");
    /** @param {string} name @param {() => string} text */
    const copier = (name, text) => async () => {
      setSaid((await copy(text())) ? name + " copied" : "The browser refused the clipboard");
      setTimeout(() => setSaid(""), 2500);
    };
    return html`<div class="buttons">
      <button type="button" class="button small" onClick=${copier("Snippet", () => diffusers(board, place))}>${Icon("copy")}Diffusers snippet</button>
      <button type="button" class="button small" onClick=${copier("Command", () => command(board, place))}>${Icon("copy")}Command line</button>
      <button type="button" class="button small" onClick=${copier("Link", () => location.href)}>${Icon("link")}Link</button>
      ${place.file && html`<a class="button small" href=${Board.full(board, place)} target="_blank" rel="noopener">Open file</a>`}
      </div><p class="said" role="status">${said}</p>`;
  }

  return Object.assign(TakeAway, { diffusers, command, copy, shell, toml });
})();
