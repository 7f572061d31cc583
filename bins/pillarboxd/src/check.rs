//! `pillarboxd check-config`: everything that is wrong, at once.

use std::path::Path;
use std::process::ExitCode;

use pillarbox_server::config::Problem;
use pillarbox_server::{certificates, config};
use serde_json::{Value, json};

use crate::cli::CheckConfig;
use crate::output;

/// What was found.
#[derive(Default)]
struct Findings {
    problems: Vec<Problem>,
    certificates: Vec<String>,
    warnings: Vec<String>,
}

/// Checks the configuration and the certificates it names.
pub(crate) fn check(file: &Path, options: &CheckConfig) -> anyhow::Result<ExitCode> {
    let mut findings = Findings::default();
    let mut text = String::new();
    match config::load(file) {
        Ok(settings) => {
            let loaded = certificates::load(&settings.certificates, &settings.hostname);
            findings.warnings = settings.warnings();
            findings
                .warnings
                .extend(loaded.warnings.iter().map(ToString::to_string));
            findings.certificates = loaded.errors.iter().map(ToString::to_string).collect();
        }
        Err(error) => {
            text = format!("{error}\n");
            findings.problems = error.problems;
        }
    }
    let usable = findings.problems.is_empty() && findings.certificates.is_empty();
    if options.json {
        output::line(&as_json(&findings, usable).to_string())?;
    } else {
        for error in &findings.certificates {
            text.push_str(&format!("certificate: {error}\n"));
        }
        for warning in &findings.warnings {
            text.push_str(&format!("warning: {warning}\n"));
        }
        if !findings.certificates.is_empty() {
            text.push_str("  hint: mend the files, or the paths under [[certificates]]; the server must be able to read them\n");
        }
        if usable {
            text.push_str(&format!("{} can be used\n", file.display()));
        }
        output::write(text.as_bytes())?;
    }
    Ok(if usable {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn as_json(findings: &Findings, usable: bool) -> Value {
    let problems: Vec<Value> = findings
        .problems
        .iter()
        .map(|problem| {
            json!({
                "line": problem.place.map(|place| place.line),
                "column": problem.place.map(|place| place.column),
                "what": problem.what,
                "hint": problem.hint,
            })
        })
        .collect();
    json!({
        "usable": usable,
        "problems": problems,
        "certificates": findings.certificates,
        "warnings": findings.warnings,
    })
}
