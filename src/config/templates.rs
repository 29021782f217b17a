//! Mail templates: built in, or of the merchant's own, tried on a sample before anything starts.

use std::path::Path;

use minijinja::{Environment, UndefinedBehavior, context};

use super::model::MailTable;
use super::report::Problems;
use super::settings::{Language, MailTemplate, MailTemplates};

const SHIPPED_JA: &str = "\
Subject: 【{{ shop }}】商品を発送しました（ご注文番号 {{ order }}）

{% if name %}{{ name }} 様{% else %}お客様{% endif %}

{{ shop }} をご利用いただき、ありがとうございます。
ご注文 {{ order }} の商品を発送いたしました。

{% for line in lines %}・{{ line.title }} × {{ line.quantity }}
{% endfor %}{% for parcel in parcels %}{% if parcel.tracking %}お荷物番号: {{ parcel.tracking }}{% if parcel.carrier %}（{{ parcel.carrier }}）{% endif %}
{% endif %}{% endfor %}
{{ shop }}
";

const SHIPPED_EN: &str = "\
Subject: {{ shop }}: your order {{ order }} has been shipped

Dear {{ name or 'customer' }},

thank you for your order {{ order }}. It has left our warehouse:

{% for line in lines %}- {{ line.quantity }} x {{ line.title }}
{% endfor %}{% for parcel in parcels %}{% if parcel.tracking %}Tracking number: {{ parcel.tracking }}{% if parcel.carrier %} ({{ parcel.carrier }}){% endif %}
{% endif %}{% endfor %}
{{ shop }}
";

/// Steps a mail may take to render.
const FUEL: u64 = 100_000;

/// Reads the templates; the merchant's own file replaces the built-in text.
pub(super) fn read(
    table: &MailTable,
    base_dir: &Path,
    problems: &mut Problems<'_>,
) -> MailTemplates {
    let built_in = match table.language {
        Language::Ja => SHIPPED_JA,
        Language::En => SHIPPED_EN,
    };
    MailTemplates {
        shipped: one("shipped.txt", built_in, table, base_dir, problems),
    }
}

fn one(
    name: &str,
    built_in: &str,
    table: &MailTable,
    base_dir: &Path,
    problems: &mut Problems<'_>,
) -> MailTemplate {
    let Some(folder) = &table.templates else {
        return split(built_in).unwrap_or_else(|_| MailTemplate {
            subject: String::new(),
            text: built_in.to_owned(),
        });
    };
    let file = base_dir.join(folder).join(name);
    let shown = file.display().to_string();
    let empty = MailTemplate {
        subject: String::new(),
        text: String::new(),
    };
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text.replace("\r\n", "\n"),
        Err(e) => {
            problems.at(
                &["mail", "templates"],
                format!("{shown} cannot be read: {e}"),
            );
            return empty;
        }
    };
    match split(&text) {
        Ok(template) => {
            if let Err((line, reason)) = try_out(&template) {
                problems.in_file(shown, line, reason);
            }
            template
        }
        Err(reason) => {
            problems.in_file(shown, 1, reason);
            empty
        }
    }
}

/// `Subject: …`, an empty line, the text.
fn split(text: &str) -> Result<MailTemplate, String> {
    let rule = "the first line must be \"Subject: …\" and the second one empty";
    let (head, text) = text.split_once("\n\n").ok_or(rule)?;
    let subject = head
        .strip_prefix("Subject:")
        .filter(|subject| !subject.contains('\n'))
        .ok_or(rule)?;
    Ok(MailTemplate {
        subject: subject.trim().to_owned(),
        text: text.to_owned(),
    })
}

/// Renders the template with a sample, so that a wrong name is found now and not with the first mail.
fn try_out(template: &MailTemplate) -> Result<(), (usize, String)> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    let sample = context! {
        shop => "shop", order => "1001", number => "HK1", name => "name",
        lines => [context! { title => "title", quantity => 1 }],
        parcels => [context! { carrier => "carrier", tracking => "1234" }, context! { carrier => None::<String>, tracking => None::<String> }],
    };
    for (part, before) in [(&template.subject, 0), (&template.text, 2)] {
        environment.render_str(part, &sample).map_err(|e| {
            (
                before + e.line().unwrap_or(1),
                format!(
                    "{}; available names: shop, order, number, name, lines, parcels",
                    e.detail().map_or_else(|| e.to_string(), str::to_owned)
                ),
            )
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn built_in_templates_render() {
        for text in [SHIPPED_JA, SHIPPED_EN] {
            let template = split(text).unwrap();
            assert_eq!(try_out(&template), Ok(()));
            assert!(template.subject.contains("{{ order }}"));
        }
    }

    /// An order whose address vanished at its channel has no name.
    #[test]
    fn a_customer_without_a_name_is_greeted_all_the_same() {
        let greeting = |text: &str, name: &str| {
            let values = context! { shop => "s", order => "1", number => "HK1", name, lines => [(); 0], parcels => [(); 0] };
            let text = split(text).unwrap().text;
            let text = Environment::new().render_str(&text, values).unwrap();
            text.lines().next().unwrap().to_owned()
        };
        assert_eq!(greeting(SHIPPED_JA, "山田 太郎"), "山田 太郎 様");
        assert_eq!(greeting(SHIPPED_JA, ""), "お客様");
        assert_eq!(greeting(SHIPPED_EN, ""), "Dear customer,");
    }

    #[test]
    fn a_template_that_would_go_on_and_on_runs_out_of_steps() {
        let endless = "Subject: s\n\n{% for a in range(90000) %}{% for b in range(90000) %}x{% endfor %}{% endfor %}";
        let (_, why) = try_out(&split(endless).unwrap()).unwrap_err();
        assert!(why.contains("fuel"), "{why}");
    }

    #[test]
    fn a_wrong_name_is_found_with_its_line() {
        let template = split("Subject: {{ order }}\n\nHello\n{{ nmae }}\n").unwrap();
        assert_eq!(try_out(&template).unwrap_err().0, 4);
        assert!(split("Hello").is_err());
        assert!(split("Subject: a\nb\n\nc").is_err());
    }
}
