/** What can be taken away of one picture: its settings as a Diffusers snippet and as a command line, a link, the file. */
const TakeAway = (() => {
  /** Settings that the pipeline is made with or that are no call arguments. */
  const BUILD = new Set(["model", "revision", "scheduler", "lora", "lora_scale", "seed", "prompt", "schedule", "controlnet", "ip_adapter", "image_encoder", "ip_adapter_scale"]);
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

  /**
   * The engine's options as arguments of `from_pretrained`, and lines on those options of the study's axes that it has no argument for.
   * @param {Model} board @param {Record<string, unknown>} options
   */
  function loading(board, options) {
    const { dtype, variant, safety_checker: checker } = options;
    const given = dtype && dtype !== "auto" ? [`torch_dtype=torch.${dtype}`] : [];
    if (variant) given.push(`variant=${python(variant)}`);
    if (checker === false) given.push("safety_checker=None");
    const varied = new Set(board.axes.flatMap((axis) => (axis.options ?? []).flatMap(Object.keys)));
    for (const name of ["dtype", "variant", "safety_checker"]) varied.delete(name);
    const others = [...varied].filter((name) => name in options).map((name) => `# Made with ${name} = ${toml(options[name])}, an option of Teststrip's engine.`);
    return { given: given.map((each) => ", " + each).join(""), others };
  }

  /** Python that makes this picture with Diffusers. @param {Model} board @param {Place} place */
  function diffusers(board, place) {
    const settings = Board.settings(board, place);
    const scheduler = typeof settings.scheduler === "string" ? settings.scheduler : "";
    const embedded = settings.model === "emoji" || settings.model === undefined;
    const options = Object.entries(settings).filter(([name, value]) => name.startsWith(OPTION) && value !== null);
    const steps = typeof settings.schedule === "string" ? listed(settings.schedule) : "";
    const pictures = board.prompts[place.prompt].pictures ?? {};
    const task = "mask" in pictures ? "Inpainting" : "image" in pictures ? "Image2Image" : "Text2Image";
    const kind = Object.keys(pictures).length ? "AutoPipelineFor" + task : "DiffusionPipeline";
    const lines = ["import torch", `from diffusers import ${kind}` + (scheduler ? ", " + scheduler : "")];
    if (kind !== "DiffusionPipeline") lines.push("from diffusers.utils import load_image");
    if (settings.controlnet) lines.push("from inspect import signature", "from diffusers import AutoModel");
    if (settings.image_encoder) lines.push("from transformers import CLIPVisionModelWithProjection");
    if (steps.includes("AysSchedules")) lines.push("from diffusers.schedulers import AysSchedules");
    if (embedded) lines.push("from importlib.resources import files");
    lines.push("");
    const model = embedded ? 'str(files("teststrip") / "models" / "emoji")' : python(settings.model);
    const revision = settings.revision ? `, revision=${python(settings.revision)}` : "";
    const { given: how, others } = loading(board, board.cells[place.cell].options);
    const net = settings.controlnet ? `, controlnet=AutoModel.from_pretrained(${python(settings.controlnet)})` : "";
    const encoder = settings.image_encoder ? `, image_encoder=CLIPVisionModelWithProjection.from_pretrained(${python(settings.image_encoder)})` : "";
    lines.push(...others, `pipeline = ${kind}.from_pretrained(${model}${revision}${net}${encoder}${how})`);
    if (typeof settings.ip_adapter === "string") {
      const at = settings.ip_adapter.lastIndexOf("/");
      const [folder, file] = [settings.ip_adapter.slice(0, Math.max(at, 0)) || ".", settings.ip_adapter.slice(at + 1)];
      lines.push(`pipeline.load_ip_adapter(${quoted(folder)}, subfolder="", weight_name=${quoted(file)}, image_encoder_folder=None)`);
      lines.push(`pipeline.set_ip_adapter_scale(${python(settings.ip_adapter_scale ?? 1)})`);
    }
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
    for (const [name, path] of Object.entries(pictures)) {
      const older = name === "control_image" && task === "Text2Image"; // Stable Diffusion 1, 2 and XL call it image
      const argument = name === "mask" ? "mask_image" : name;
      const opened = `load_image(${quoted("runs/" + board.study.name + "/" + path)})`;
      lines.push(older ? `    **{"control_image" if "control_image" in signature(pipeline.__call__).parameters else "image": ${opened}},` : `    ${argument}=${opened},`);
    }
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
    const prompt = board.prompts[place.prompt];
    const sets = [`prompts=${toml([prompt.pictures ? { text: prompt.text, ...prompt.pictures } : prompt.text])}`, "replicates=", `seeds=${toml([place.seed])}`, "exclude="];
    board.axes.forEach((axis, n) => {
      const label = axis.labels[cell.at[n]];
      const chosen = { ...axis.settings[cell.at[n]], ...axis.options?.[cell.at[n]] };
      const single = axis.kind === "setting" || axis.kind === "option";
      const level = axis.kind === "linked" ? { label, ...chosen } : single ? chosen[axis.name] : label;
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
