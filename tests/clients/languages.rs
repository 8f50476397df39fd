//! How the client examples are run: each by a driver beside this file, compiled first where its
//! language wants that.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

/// The words of a command, or what is missing for it.
type Words = Result<Vec<String>, String>;

/// A client example, ready to run.
pub(crate) struct Client {
    pub(crate) name: &'static str,
    /// Whether its bodies are gzipped.
    pub(crate) gzip: bool,
    words: Vec<String>,
}

impl Client {
    /// Notes some events, and then sends what waits.
    pub(crate) fn run(
        &self,
        (url, key): (&str, &str),
        queue: &Path,
        events: usize,
        tries: usize,
    ) -> Output {
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]).args([url, key]).arg(queue);
        command.args([events.to_string(), tries.to_string()]);
        command.current_dir(examples()).env("PYTHONPATH", examples()).output().unwrap()
    }
}

/// Those whose language is on the machine; the others are skipped, by name.
pub(crate) fn clients() -> &'static [Client] {
    static CLIENTS: OnceLock<Vec<Client>> = OnceLock::new();
    CLIENTS.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients");
        std::fs::create_dir_all(&folder).unwrap();
        let python = needs(&["python3"]).map(|()| words(&["python3", "-B", &driver("drive.py")]));
        let node = needs(&["node"]).map(|()| words(&["node", &driver("drive.js")]));
        let shell = needs(&["jq"]).map(|()| words(&[&driver("drive.sh")]));
        let languages = [
            ("python", python),
            ("node", node),
            ("shell", shell),
            ("csharp", csharp(&folder)),
            ("kotlin", kotlin(&folder)),
            ("swift", swift(&folder)),
        ];
        languages.into_iter().filter_map(|(name, words)| ready(name, words)).collect()
    })
}

fn ready(name: &'static str, words: Words) -> Option<Client> {
    // Foundation deflates on Apple's systems alone.
    let gzip = name != "swift" || cfg!(target_os = "macos");
    words
        .map(|words| Client { name, gzip, words })
        .inspect_err(|why| questline_testing::skip(&format!("client-{name}"), why))
        .ok()
}

/// By Mono, which Unity is built on, or by .NET.
fn csharp(folder: &Path) -> Words {
    let sources = ["Questline.cs".to_owned(), driver("Drive.cs")];
    if needs(&["mcs", "mono"]).is_ok() {
        let program = text(&folder.join("drive.exe"));
        let out = format!("-out:{program}");
        compile("mcs", &["-r:System.Net.Http.dll", &out, &sources[0], &sources[1]]);
        return Ok(words(&["mono", &program]));
    }
    needs(&["dotnet"]).map_err(|_| "neither mcs of Mono nor dotnet is here".to_owned())?;
    let version = Command::new("dotnet").arg("--version").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    let project = format!(
        r#"<Project Sdk="Microsoft.NET.Sdk">
          <PropertyGroup>
            <OutputType>Exe</OutputType>
            <TargetFramework>net{}.0</TargetFramework>
            <UseAppHost>false</UseAppHost>
          </PropertyGroup>
          <ItemGroup><Compile Include="{}" /><Compile Include="{}" /></ItemGroup>
        </Project>"#,
        version.split('.').next().unwrap(),
        text(&examples().join("Questline.cs")),
        sources[1],
    );
    let (file, out) = (folder.join("drive.csproj"), folder.join("dotnet"));
    std::fs::write(&file, project).unwrap();
    compile("dotnet", &["build", &text(&file), "-o", &text(&out)]);
    Ok(words(&["dotnet", &text(&out.join("drive.dll"))]))
}

/// By the compiler as Maven Central has it.
fn kotlin(folder: &Path) -> Words {
    let jars = std::env::var("QUESTLINE_KOTLIN")
        .map_err(|_| "QUESTLINE_KOTLIN is not set: run scripts/test".to_owned())?;
    needs(&["java"])?;
    let jars = std::fs::read_dir(jars).unwrap().map(|jar| text(&jar.unwrap().path()));
    let jars = jars.collect::<Vec<_>>().join(":");
    let classes = text(&folder.join("kotlin"));
    let driver = driver("Drive.kt");
    compile(
        "java",
        &[
            // What runs for seconds needs no code that was optimised for minutes.
            "-XX:TieredStopAtLevel=1",
            "-cp",
            &jars,
            "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler",
            "-no-stdlib",
            "-no-reflect",
            "-cp",
            &jars,
            "-d",
            &classes,
            "Questline.kt",
            &driver,
        ],
    );
    Ok(words(&["java", "-cp", &format!("{classes}:{jars}"), "DriveKt"]))
}

fn swift(folder: &Path) -> Words {
    needs(&["swiftc"])?;
    let program = text(&folder.join("drive-swift"));
    let driver = driver("Drive.swift");
    compile("swiftc", &["-parse-as-library", "-o", &program, "Questline.swift", &driver]);
    Ok(vec![program])
}

fn compile(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).current_dir(examples()).output().unwrap();
    assert!(output.status.success(), "{program}: {}", said(&output));
}

/// Names the first of some programs that is not here.
fn needs(programs: &[&str]) -> Result<(), String> {
    let runs = |program: &&str| {
        let output = Command::new(program).arg("--version").output();
        output.is_ok_and(|output| output.status.success())
    };
    let missing = programs.iter().find(|program| !runs(program));
    missing.map_or(Ok(()), |program| Err(format!("{program} is missing")))
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../functions/ingest/clients")
}

fn driver(name: &str) -> String {
    text(&Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(name))
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

/// What a program printed.
pub(crate) fn said(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    format!("{out}{err}")
}
